/**
 * `enrich`: one look-up, whose result is the output of the step.
 *
 * 1. Only what `facts` names is kept. A fact is a text, a number, a truth or null, of a bounded length.
 * 2. A look-up changes nothing, so every try may repeat it: an operation has to be repeatable, a table is only read.
 * 3. Facts of earlier `enrich` steps stay, unless this one finds others of their names.
 */
import { DatabaseError, type DatabaseFault } from '#shared/databases/database-error.ts';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import type { ErrorCode } from '#shared/errors.ts';
import { ExactNumber } from '#shared/partners/exact-json.ts';
import { isRepeatable } from '#shared/partners/judge-reply.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import { metaOf, notDone, requestIdOf } from '../partner-calls.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry } from '../step-failure.ts';
import { factsOfFile } from '../step-keys.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type EnrichOptions, enrichOptions, type PartnerLookUp, type TableLookUp } from './options.ts';

type Context<Options = EnrichOptions> = StepContext<Options>;
type Fact = string | number | boolean | null;
type Facts = Readonly<Record<string, Fact>>;

/** What a look-up that worked gave; anything else is thrown as `LookUpEnded`. */
type Answer = { readonly type: 'found'; readonly facts: Facts } | { readonly type: 'none' };

/** Not cached. */
class LookUpEnded extends Error {
  readonly outcome: StepOutcome;

  constructor(outcome: StepOutcome) {
    super('the look-up did not work');
    this.outcome = outcome;
  }
}

export const enrichStep: StepKind<EnrichOptions> = {
  kind: enrichOptions.kind,
  classOf: enrichOptions.classOf,
  async run(context) {
    const { options, outputs, targets } = context;
    try {
      const { question, find } = lookUpOf(context);
      const answer = await (targets?.lookUp?.(question, options.cacheFor, find) ?? find());
      const before = outputs.enrich ?? {};
      if (answer.type === 'found') return { type: 'succeeded', output: { ...before, ...answer.facts } };
      if (options.onNone === 'fail')
        return failed('ENRICH_ERROR', 'LOOKUP_NONE', `Nothing was found ${placeOf(options)} for this file.`);
      const none = Object.fromEntries(Object.keys(options.facts).map((name) => [name, null]));
      return { type: 'succeeded', output: { ...before, ...none } };
    } catch (error) {
      if (error instanceof LookUpEnded) return error.outcome;
      throw error;
    }
  },
};

function placeOf(options: EnrichOptions): string {
  return 'partner' in options
    ? `by ${options.partner} ${options.operation}`
    : `in ${options.table} of the database ${options.database}`;
}

interface PlannedLookUp {
  /** The same for what has the same answer. */
  readonly question: string;
  readonly find: () => Promise<Answer>;
}

function lookUpOf(context: Context): PlannedLookUp {
  const { options } = context;
  const asked = rendered(context, 'partner' in options ? options.values : options.where);
  return {
    question: JSON.stringify([options, asked]),
    find: () => ('partner' in options ? askPartner(context, options, asked) : askTable(context, options, asked)),
  };
}

function rendered(context: Context, templates: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(templates).map(([name, source]) => {
      const template = compileNameTemplate(source);
      return [name, template.ok ? template.render(factsOfFile(context)) : ''];
    }),
  );
}

async function askPartner(
  context: Context,
  { partner: name, operation, facts }: PartnerLookUp,
  record: Readonly<Record<string, string>>,
): Promise<Answer> {
  const unknown = (message: string) => new LookUpEnded(retry('ENRICH_ERROR', 'PARTNER_UNKNOWN', message));
  const found = await context.targets?.findPartner(name);
  if (found === undefined || !found.ok)
    throw unknown(`${found?.message ?? `This service does not have the partner ${name}.`} Apply its definition.`);
  const described = found.partner.definition.operations[operation];
  if (described === undefined || described.file !== undefined || !isRepeatable(described, true))
    throw unknown(`The partner ${name} has no operation ${operation} that may be repeated and takes no file.`);
  const { idempotencyKey, signal } = context;
  const outcome = await found.partner.call(
    {
      operation,
      values: { record, replies: {}, meta: metaOf(context) },
      requestId: requestIdOf(context),
      ...{ idempotencyKey, signal },
    },
    () => !signal.aborted,
  );
  switch (outcome.type) {
    case 'success':
      return { type: 'found', facts: takeFacts(facts, outcome.output) };
    case 'failed':
      if (outcome.httpStatus === 404) return { type: 'none' };
      throw new LookUpEnded(notDone('ENRICH_ERROR', outcome));
    case 'ambiguous':
      throw new LookUpEnded(retry('ENRICH_ERROR', outcome.cause as ErrorCode, outcome.message));
    case 'postponed':
      throw new LookUpEnded({ type: 'wait', afterMs: outcome.afterMs, reason: 'PARTNER_RATE' });
    default:
      throw new LookUpEnded(notDone('ENRICH_ERROR', outcome));
  }
}

async function askTable(
  context: Context,
  options: TableLookUp,
  where: Readonly<Record<string, string>>,
): Promise<Answer> {
  const { database: name, table, timeout } = options;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]);
  try {
    const used = await context.targets?.useDatabase(name, async (database) => {
      if (!database.definition.reads.includes(table))
        throw new LookUpEnded(
          retry(
            'ENRICH_ERROR',
            'LOOKUP_DENIED',
            `The database ${name} does not name the table ${table} under \`reads\`.`,
          ),
        );
      return await readRow(database, options, where, signal);
    });
    if (used === undefined)
      throw new LookUpEnded(
        retry('ENRICH_ERROR', 'LOOKUP_UNAVAILABLE', `The tenant has no database ${name} that can be used.`),
      );
    return used.result;
  } catch (error) {
    if (error instanceof DatabaseError) throw new LookUpEnded(ofDatabase(error, options));
    if (error instanceof SecretError) throw new LookUpEnded(retry('ENRICH_ERROR', error.code, error.message));
    throw error;
  }
}

const FAULTS: Readonly<Record<DatabaseFault, { readonly cause: ErrorCode; readonly what: string }>> = {
  'row-refused': { cause: 'LOOKUP_VALUE', what: 'A value that is looked for does not fit its column' },
  schema: { cause: 'LOOKUP_SCHEMA', what: 'The table is not as the look-up needs it' },
  denied: { cause: 'LOOKUP_DENIED', what: 'The database denies the look-up' },
  unavailable: { cause: 'LOOKUP_UNAVAILABLE', what: 'The database did not answer in time' },
};

function ofDatabase({ fault, sqlState }: DatabaseError, options: TableLookUp): StepOutcome {
  const { cause, what } = FAULTS[fault];
  const message = `${what}, ${placeOf(options)}${sqlState === undefined ? '' : ` (SQLSTATE ${sqlState})`}.`;
  const isFinal = fault === 'row-refused' || fault === 'schema';
  return isFinal ? failed('ENRICH_ERROR', cause, message) : retry('ENRICH_ERROR', cause, message);
}

/** Of numeric and bigint, which come as texts. */
const NUMBER_TYPES: readonly unknown[] = [20, 1700];

async function readRow(
  database: OpenDatabase,
  options: TableLookUp,
  where: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Answer> {
  const { table, facts } = options;
  const columns = [...new Set(Object.values(facts))];
  const statement = (sql: Sql) => {
    const conditions = Object.entries(where).map(([column, value]) => sql`${sql(column)} = ${value}`);
    const all = conditions.reduce((one, other) => sql`${one} AND ${other}`);
    return sql`SELECT ${sql(columns)} FROM ${sql(table)} WHERE ${all} LIMIT 2`;
  };
  const rows = (await database.run<Readonly<Record<string, unknown>>>(statement, signal)) as Readonly<
    Record<string, unknown>
  >[] & { readonly columns?: readonly { readonly name: string; readonly type: number }[] };
  const [row, second] = rows;
  if (row === undefined) return { type: 'none' };
  if (second !== undefined) {
    const message = `More than one row was found ${placeOf(options)} for this file.`;
    throw new LookUpEnded(failed('ENRICH_ERROR', 'LOOKUP_NOT_UNIQUE', message));
  }
  const numbers = new Set(rows.columns?.filter(({ type }) => NUMBER_TYPES.includes(type)).map(({ name }) => name));
  const values = Object.entries(row).map(([column, value]) => [
    column,
    numbers.has(column) && typeof value === 'string' ? new ExactNumber(value) : value,
  ]);
  return { type: 'found', facts: takeFacts(facts, Object.fromEntries(values)) };
}

const LONGEST_FACT = 1_024;

function takeFacts(named: Readonly<Record<string, string>>, found: Readonly<Record<string, unknown>>): Facts {
  return Object.fromEntries(
    Object.entries(named).map(([name, source]) => [
      name,
      factOf(name, Object.hasOwn(found, source) ? found[source] : null),
    ]),
  );
}

/** A number that JavaScript would write another way is a text. */
function factOf(name: string, value: unknown): Fact {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof ExactNumber) return String(Number(value.text)) === value.text ? Number(value.text) : value.text;
  const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  if (isScalar && String(value).length <= LONGEST_FACT) return value;
  const message = `The fact ${name} is a list, an object, or longer than ${LONGEST_FACT} characters.`;
  throw new LookUpEnded(failed('ENRICH_ERROR', 'LOOKUP_RESULT', message));
}
