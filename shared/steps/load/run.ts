/**
 * `load`: the rows of the job's object, as the route's `records:` reads them, into a table of a tenant's database.
 *
 * 1. `insert` is exactly once: all rows of the file in one transaction with the effect's key, which the database keeps. Asking for the key tells.
 *    Preparing adds the rows to it, where nobody sees them.
 * 2. `upsert` may be repeated: a row that is there is replaced by the same.
 * 3. A file whose rows are refused, by its layout or by the database, loads none; of an upsert, earlier chunks stay.
 */
import { classifyDatabaseError, DatabaseError } from '#shared/databases/database-error.ts';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import { type EffectTarget, type NotDone, type Prepared, runEffect } from '#shared/effects/run-effect.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import { faultMessage } from '../read-record-file.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type LoadOptions, loadOptions } from './options.ts';
import { type ReadRows, readRows, refusedFile } from './read-rows.ts';
import { createTableLoad, type LoadPlan, type OpenLoad, type TableLoad } from './table-load.ts';

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
  readonly rows: number;
  readonly rejected: number;
}

async function load(
  context: StepContext<LoadOptions>,
  layout: RecordsLayout,
  database: OpenDatabase,
): Promise<StepOutcome> {
  const table = createTableLoad(database, planOf(context.options, layout), context.signal);
  if (context.options.upsert !== undefined) return await run(context, upsertTarget(context, layout, table));
  const target = insertTarget(context, layout, table);
  try {
    return await run(context, target);
  } finally {
    target.end();
  }
}

async function run({ effects }: StepContext<LoadOptions>, target: Target): Promise<StepOutcome> {
  const end = await runEffect({ log: effects, code: 'DELIVERY_ERROR', target });
  if (end.type === 'ended') return end.outcome;
  return { type: 'succeeded', output: { ...end.facts, wasThere: end.wasThere } };
}

function planOf({ table, columns, upsert }: LoadOptions, layout: RecordsLayout): LoadPlan {
  const named = columns ?? Object.fromEntries(layout.columns.map(({ name }) => [name, name]));
  return { table, columns: Object.entries(named), upsert };
}

type Target = EffectTarget<LoadFacts>;

/** `end` undoes what was prepared and not committed. */
function insertTarget(
  context: StepContext<LoadOptions>,
  layout: RecordsLayout,
  table: TableLoad,
): Target & { end(): void } {
  const { idempotencyKey: key } = context;
  let open: OpenLoad | undefined;
  const end = (): void => {
    open?.end();
    open = undefined;
  };
  return {
    prepare: () =>
      refusing(context, async () => {
        await table.check();
        open = await table.begin(key);
        const { read, rows } = await addRows(context, layout, open).catch(async (error: unknown) => {
          end();
          throw await withLine(context, layout, { table, error });
        });
        if (read.isAccepted) return prepared(context, read, rows);
        end();
        return { type: 'ended', outcome: refusedFile(read) };
      }),
    async commit(facts) {
      try {
        // Without a transaction: the load was there before, as asking says.
        const came = await open?.commit(facts.rows);
        return came === 'loaded' ? { type: 'done', facts } : { type: 'unsure', ...NOT_LOADED };
      } catch (error) {
        const fault = classifyDatabaseError(error, context.options.database);
        // A server that ends a session says so, whatever became of the commit.
        if (fault.fault === 'unavailable') return { type: 'unsure', cause: fault.code, message: fault.message };
        return { type: 'not-done', outcome: outcomeOf(context, fault) };
      } finally {
        end();
      }
    },
    async ask(facts) {
      try {
        return (await table.isLoaded(key)) ? { type: 'done', facts } : { type: 'not-done' };
      } catch (error) {
        return { type: 'later', outcome: outcomeOf(context, error) };
      }
    },
    end,
  };
}

const NOT_LOADED = { cause: 'LOAD_UNAVAILABLE', message: 'The connection was lost before the rows were committed.' };

interface AddedRows {
  readonly read: ReadRows;
  readonly rows: number;
}

/** Into nothing where the load was there before: the file is read for what else there is to say of it. */
async function addRows(
  context: StepContext<LoadOptions>,
  layout: RecordsLayout,
  open: Pick<OpenLoad, 'add' | 'added'> | undefined,
): Promise<AddedRows> {
  let rows = 0;
  const read = await readRows(context, layout, async (batch) => {
    rows += batch.length;
    await open?.add(batch);
  });
  await open?.added();
  return { read, rows };
}

interface FailedLoad {
  readonly table: TableLoad;
  readonly error: unknown;
}

/** A server names no line: the file is loaded once more, row by row where it has to be, and undone. */
async function withLine(
  context: StepContext<LoadOptions>,
  layout: RecordsLayout,
  { table, error }: FailedLoad,
): Promise<unknown> {
  if (!(error instanceof DatabaseError) || error.fault !== 'row-refused' || error.sqlState === undefined) return error;
  const open = await table.begin(context.idempotencyKey).catch(() => undefined);
  if (open === undefined) return error;
  try {
    const { addCarefully: add, added } = open;
    await addRows(context, layout, { add, added });
    return error;
  } catch (named) {
    return named instanceof DatabaseError && named.fault === 'row-refused' ? named : error;
  } finally {
    open.end();
  }
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
        return read.isAccepted ? prepared(context, read, rows) : { type: 'ended', outcome: refusedFile(read) };
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
  rows: number,
): Prepared<LoadFacts> {
  const { database, table } = options;
  const facts = { database, table, rows, rejected: summary.rejected, ...(rejects !== undefined && { rejects }) };
  return { type: 'prepared', facts };
}

/** Faults of the file and of the database end the step; damage on the way and whatever else is thrown continue. */
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
