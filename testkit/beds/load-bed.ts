/** A tenant's database to load into, and what the step is given of it. */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { LOAD_TABLE } from '#shared/databases/load-tables.ts';
import { type OpenDatabase, openDatabase } from '#shared/databases/open-database.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { databaseDocumentSchema } from '#shared/definitions/database-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import type { StepTargets } from '#shared/targets/step-targets.ts';
import { NO_TARGETS } from '#testkit/beds/step-bed.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import type { TestDatabase } from '#testkit/servers/test-database.ts';

export interface LoadBed {
  /** As its owner. */
  readonly sql: Sql;
  readonly database: TestDatabase;
  /** As a definition says it, without `tables`. */
  readonly place: { readonly host: string; readonly port: number; readonly database: string; readonly user: string };
  readonly password: string;
  open(overrides?: object): OpenDatabase;
  targets(open: OpenDatabase): StepTargets;
  /** From now on rows of `statements` wait, until `act` was called, which is when the first ones do. */
  whileRowsWait(act: () => void): Promise<void>;
  stop(): Promise<void>;
}

/** Of the server of a test run: a benchmark has none, and brings its own. */
async function emptyDatabase(): Promise<TestDatabase> {
  const { createTestDatabase } = await import('#testkit/servers/test-database.ts');
  return await createTestDatabase({ isEmpty: true });
}

/** With the table of loads, and `statements (id integer PRIMARY KEY, name text NOT NULL, amount numeric(9,2))`. */
export async function startLoadBed(given?: TestDatabase): Promise<LoadBed> {
  const database = given ?? (await emptyDatabase());
  const sql = postgres(database.url, { max: 2, onnotice: () => {} });
  const user = `loader_${randomUUID().slice(0, 8)}`;
  const password = 'hunter2-of-the-warehouse';
  await sql.unsafe(LOAD_TABLE);
  await sql`CREATE TABLE statements (id integer PRIMARY KEY, name text NOT NULL, amount numeric(9,2))`;
  await sql.unsafe(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'`);
  await sql.unsafe(`GRANT ALL ON statements TO ${user}`);
  await sql.unsafe(`GRANT SELECT, INSERT ON longshore_loads TO ${user}`);
  const { hostname, port, pathname } = new URL(database.url);
  const place = { host: hostname, port: Number(port), database: pathname.slice(1), user };
  return {
    sql,
    database,
    place,
    password,
    open: (overrides = {}) =>
      openDatabase(
        databaseDocumentSchema.parse({
          ...{ kind: 'database', tenant: 'acme', name: 'warehouse', ...place, password: 'warehouse-password' },
          ...{ tls: { mode: 'off' }, tables: ['statements', 'gone'], ...overrides },
        }),
        {
          secrets: { read: async () => ({ text: password, version: '1' }) },
          addressGuard: createAddressGuard({ allow: ['127.0.0.0/8', '::1'] }),
        },
      ),
    targets: (open) => ({ ...NO_TARGETS, useDatabase: async (_name, work) => ({ result: await work(open) }) }),
    async whileRowsWait(act) {
      const holder = await sql.reserve();
      await holder`BEGIN`;
      await holder`LOCK TABLE statements IN SHARE ROW EXCLUSIVE MODE`;
      const isWaiting = async () =>
        (await sql`SELECT FROM pg_stat_activity WHERE usename = ${user} AND wait_event_type = 'Lock'`).length > 0;
      void waitUntil('rows wait for the table', isWaiting, { timeoutMs: 60_000, intervalMs: 5 })
        .then(act)
        .finally(async () => {
          await holder`ROLLBACK`;
          holder.release();
        });
    },
    async stop() {
      await sql.unsafe(`DROP OWNED BY ${user}`);
      await sql.unsafe(`DROP ROLE ${user}`);
      await sql.end({ timeout: 5 });
      await database.drop();
    },
  };
}
