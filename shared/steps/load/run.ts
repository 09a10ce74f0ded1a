/**
 * `load`: the rows of the job's object, as the route's `records:` reads them, into a table of a tenant's database.
 *
 * 1. `insert` is exactly once: all rows of the file in one statement with the effect's key, which the database keeps. Asking for the key tells.
 * 2. `upsert` may be repeated: a row that is there is replaced by the same.
 * 3. A file whose rows are refused, by its layout or by the database, loads none; of an upsert, earlier chunks stay.
 */
import { randomUUID } from 'node:crypto';
import { classifyDatabaseError, DatabaseError } from '#shared/databases/database-error.ts';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import {
  type Committed,
  type EffectTarget,
  type NotDone,
  type Prepared,
  runEffect,
} from '#shared/effects/run-effect.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import { faultMessage } from '../read-record-file.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type LoadOptions, loadOptions } from './options.ts';
import { type ReadRows, readRows, refusedFile } from './read-rows.ts';
import { createTableLoad, type LoadPlan, refusedLine, type StagedLoad, type TableLoad } from './table-load.ts';

export const loadStep: StepKind<LoadOptions> = {
  kind: loadOptions.kind,
  classOf: loadOptions.classOf,
  run: (context) =>
    withStoreFailures('DELIVERY_ERROR', async () => {
      const { options, records, targets } = context;
      if (records === undefined) return failed('DELIVERY_ERROR', 'STEP_INPUT_MISSING', 'The route has no `records`.');
      const { layout } = records;
      const used = await targets?.useDatabase(options.database, async (database) => {
        const { tables } = database.definition;
        if (!tables.includes(options.table))
          return failed(
            'DELIVERY_ERROR',
            'LOAD_DENIED',
            `The database ${options.database} does not allow the table ${options.table}.`,
          );
        return await load(context, layout, database);
      });
      const message = `The tenant has no database ${options.database} that can be used; apply its definition.`;
      return used?.result ?? retry('DELIVERY_ERROR', 'DATABASE_UNKNOWN', message);
    }),
};

interface LoadFacts extends Readonly<Record<string, unknown>> {
  readonly database: string;
  readonly table: string;
  readonly stage: string;
  readonly rows: number;
  readonly rejected: number;
}

async function load(
  context: StepContext<LoadOptions>,
  layout: RecordsLayout,
  database: OpenDatabase,
): Promise<StepOutcome> {
  const table = createTableLoad(database, planOf(context.options, layout), context.signal);
  const target =
    context.options.upsert === undefined ? insertTarget(context, layout, table) : upsertTarget(context, layout, table);
  const end = await runEffect({ log: context.effects, code: 'DELIVERY_ERROR', target });
  if (end.type === 'ended') return end.outcome;
  if (context.options.upsert === undefined) await forget(context, table);
  const { stage: _stage, ...facts } = end.facts;
  return { type: 'succeeded', output: { ...facts, wasThere: end.wasThere } };
}

/** Of every try. They are of no use any more, and of no harm. */
async function forget({ idempotencyKey, logger }: StepContext<LoadOptions>, table: TableLoad): Promise<void> {
  await table.forget(idempotencyKey).catch((error: unknown) => logger.warn({ err: error }, 'staged rows not removed'));
}

function planOf({ table, columns, upsert }: LoadOptions, layout: RecordsLayout): LoadPlan {
  const named = columns ?? Object.fromEntries(layout.columns.map(({ name }) => [name, name]));
  return { table, columns: Object.entries(named), upsert };
}

type Target = EffectTarget<LoadFacts>;

function insertTarget(context: StepContext<LoadOptions>, layout: RecordsLayout, table: TableLoad): Target {
  const { idempotencyKey: key } = context;
  return {
    prepare: () =>
      refusing(context, async () => {
        await table.check();
        await table.forget(key);
        const stage = randomUUID();
        let rows = 0;
        // One batch is staged while the next is read.
        let staging: Promise<void> | undefined;
        const read = await readRows(context, layout, async (batch) => {
          const after = rows;
          rows += batch.length;
          await staging;
          staging = table.stage({ key, stage }, batch, after);
          staging.catch(() => {});
        }).finally(() => staging?.catch(() => {}));
        await staging;
        if (read.isAccepted) return prepared(context, read, { stage, rows });
        await table.forget(key);
        return { type: 'ended', outcome: refusedFile(read) };
      }),
    async commit(facts) {
      const staged = { key, stage: facts.stage, rows: facts.rows };
      try {
        // Not there, and its key neither: what was staged is lost with the database's crash, and is staged again.
        const came = await table.commit(staged);
        return came === 'loaded' ? { type: 'done', facts } : { type: 'unsure', ...NOT_LOADED };
      } catch (error) {
        return await whyNotLoaded(context, table, { staged, error });
      }
    },
    async ask(facts) {
      try {
        return (await table.isLoaded(key)) ? { type: 'done', facts } : { type: 'not-done' };
      } catch (error) {
        return { type: 'later', outcome: outcomeOf(context, error) };
      }
    },
  };
}

const NOT_LOADED = { cause: 'LOAD_UNAVAILABLE', message: 'The rows that were staged are not there any more.' };

interface Refused {
  readonly staged: StagedLoad;
  readonly error: unknown;
}

async function whyNotLoaded(
  context: StepContext<LoadOptions>,
  table: TableLoad,
  { staged, error }: Refused,
): Promise<Committed<LoadFacts>> {
  const fault = classifyDatabaseError(error, context.options.database);
  if (fault.isOutcomeUnknown) return { type: 'unsure', cause: fault.code, message: fault.message };
  if (fault.fault !== 'row-refused') return { type: 'not-done', outcome: outcomeOf(context, fault) };
  const line = await table.findRefused(staged).catch(() => undefined);
  await table.forget(staged.key).catch(() => {});
  return {
    type: 'not-done',
    outcome: outcomeOf(context, line === undefined ? fault : refusedLine(line, fault.message)),
  };
}

/** Every act may be repeated: asking says so. */
function upsertTarget(context: StepContext<LoadOptions>, layout: RecordsLayout, table: TableLoad): Target {
  return {
    prepare: () =>
      refusing(context, async () => {
        await table.check();
        let rows = 0;
        const read = await readRows(context, layout, async (batch) => {
          rows += batch.length;
        });
        return read.isAccepted
          ? prepared(context, read, { stage: '', rows })
          : { type: 'ended', outcome: refusedFile(read) };
      }),
    async commit(facts) {
      try {
        await readRows(context, layout, (batch) => table.upsert(batch));
        return { type: 'done', facts };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        return { type: 'not-done', outcome: outcomeOf(context, error) };
      }
    },
    ask: async () => ({ type: 'not-done' }),
  };
}

function prepared(
  { options }: StepContext<LoadOptions>,
  { summary, rejects }: ReadRows,
  staged: { readonly stage: string; readonly rows: number },
): Prepared<LoadFacts> {
  const { database, table } = options;
  const facts = { database, table, ...staged, rejected: summary.rejected, ...(rejects !== undefined && { rejects }) };
  return { type: 'prepared', facts };
}

/** Faults of the file and of the database end the step; damage on the way and whatever else is thrown go on. */
async function refusing(
  context: StepContext<LoadOptions>,
  work: () => Promise<Prepared<LoadFacts>>,
): Promise<Prepared<LoadFacts>> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FormatFault)
      return { type: 'ended', outcome: failed('DELIVERY_ERROR', error.code, faultMessage(error)) };
    if (error instanceof DatabaseError) return { type: 'ended', outcome: outcomeOf(context, error) };
    throw error;
  }
}

function outcomeOf({ options }: StepContext<LoadOptions>, error: unknown): NotDone {
  if (error instanceof SecretError)
    return { type: 'retry', code: 'DELIVERY_ERROR', cause: error.code, message: error.message };
  const { code, message, fault } = classifyDatabaseError(error, options.database);
  // Its owner may have changed something by the next try; a row or a table stays as it is.
  const isFinal = fault === 'row-refused' || fault === 'schema';
  return { type: isFinal ? 'failed' : 'retry', code: 'DELIVERY_ERROR', cause: code, message };
}
