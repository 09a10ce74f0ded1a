/**
 * Connections to PostgreSQL: a postgres.js client for transitions, and Drizzle over its own client for reads.
 *
 * 1. The two never share a client: `drizzle(client)` changes a client's parsers (Dates throw, timestamps come as strings).
 * 2. Every statement has a deadline, on the server (`statement_timeout`) and, for connections that died in silence, here: the pool is replaced
 *    then, and when a session turns out to be read-only.
 * 3. Partitions are not pruned while a statement runs: PostgreSQL 18.4 reads freed memory, and its server dies, when a row that such a
 *    statement locks was changed by another meanwhile. Keys find their rows in the partitions at hand all the same.
 */
import { createRequire } from 'node:module';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { booleanVariable, integerVariable } from '#shared/runtime/config/load-config.ts';
import { VERSION } from '#shared/runtime/version.ts';
import { within } from '#shared/runtime/within.ts';
import { createIamPassword } from './iam-password.ts';
import { createReplaceablePool, replacePool } from './replaceable-pool.ts';
import type * as schema from './schema.ts';

const require = createRequire(import.meta.url);

export type Sql = postgres.Sql;
/** A part of a statement, to be put into another. */
export type Fragment = postgres.Fragment;

/** The variables of every process that talks to the database. */
export const databaseVariables = {
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).describe('`postgres://user:password@host/database`.'),
  DATABASE_POOL_MAX: integerVariable({ min: 1, max: 100 })
    .default(4)
    .describe('Maximum number of connections of one process; the control API opens twice as many.'),
  DATABASE_PREPARE: booleanVariable
    .default(true)
    .describe('Set `false` behind a transaction pooler (PgBouncer, RDS Proxy).'),
  DATABASE_STATEMENT_TIMEOUT_MS: integerVariable({ min: 100, max: 600_000 })
    .default(30_000)
    .describe('The server cancels a statement after this time.'),
  DATABASE_IAM_AUTH: booleanVariable
    .default(false)
    .describe("Set `true` on Amazon RDS to sign in with an IAM token in place of the URL's password."),
};

export interface DatabaseConfig {
  readonly DATABASE_URL: string;
  readonly DATABASE_POOL_MAX: number;
  readonly DATABASE_PREPARE: boolean;
  readonly DATABASE_STATEMENT_TIMEOUT_MS: number;
  readonly DATABASE_IAM_AUTH?: boolean;
}

export interface PoolOptions {
  /**
   * For services whose statements are few and always the same: each is planned once for a connection, whatever its parameters. PostgreSQL would
   * plan it five times first, a claim in 7 ms, and again for every connection that was idle. Reads by chosen filters need a plan for each choice.
   */
  readonly keepsPlans?: boolean;
}

/** A pool for transitions. The caller ends it: `await sql.end({ timeout: 5 })`. */
export function connectDatabase(config: DatabaseConfig, applicationName: string, options: PoolOptions = {}): Sql {
  const silenceMs = config.DATABASE_STATEMENT_TIMEOUT_MS + SERVER_SLACK_MS;
  return createReplaceablePool({ open: () => openPool(config, applicationName, options), silenceMs });
}

/** The server's answer to a statement that ran into its limit is on its way for so long at most. */
const SERVER_SLACK_MS = 5_000;

/** As postgres.js has them, but for text: it would read that as a `Date`, and cut microseconds off, which cursors need. */
const INSTANTS = {
  to: 1184,
  from: [1082, 1114, 1184],
  serialize: (instant: Date | string) => (typeof instant === 'string' ? instant : instant.toISOString()),
  parse: (text: string) => new Date(text),
};

function openPool(config: DatabaseConfig, applicationName: string, { keepsPlans = false }: PoolOptions): Sql {
  return postgres(config.DATABASE_URL, {
    max: config.DATABASE_POOL_MAX,
    prepare: config.DATABASE_PREPARE,
    connect_timeout: 10,
    idle_timeout: 60,
    onnotice: () => {},
    types: { date: INSTANTS },
    ...(config.DATABASE_IAM_AUTH === true && { password: createIamPassword(config.DATABASE_URL) }),
    connection: {
      application_name: `${applicationName}/${VERSION}`,
      statement_timeout: config.DATABASE_STATEMENT_TIMEOUT_MS,
      TimeZone: 'UTC',
      enable_partition_pruning: 'off',
      ...(keepsPlans && { plan_cache_mode: 'force_generic_plan' }),
      // Of an SSD. At 4, the default, a month of some thousand records is read whole where its index would give thirty rows.
      random_page_cost: '1.1',
    },
  });
}

/**
 * Drizzle for reads, on its own pool. The caller ends it with `reads.$client.end()`. Drizzle is loaded here and not before:
 * most services do without it.
 */
export function connectReads(config: DatabaseConfig, applicationName: string): Reads {
  const { drizzle } = require('drizzle-orm/postgres-js') as typeof import('drizzle-orm/postgres-js');
  const tables = require('./schema.ts') as typeof schema;
  return drizzle(connectDatabase(config, applicationName), { schema: tables });
}

export type Reads = PostgresJsDatabase<typeof schema> & { readonly $client: Sql };

/**
 * Resolves when the database takes writes, asked within `timeoutMs`; otherwise the pool is replaced.
 *
 * A server that closes during start-up leaves postgres.js waiting for ever in spite of `connect_timeout`
 * (porsager/postgres issue 1193), hence this outer deadline.
 *
 * @throws LongshoreError `DEPENDENCY_UNAVAILABLE`.
 */
export async function assertDatabaseAnswers(sql: Sql, timeoutMs: number): Promise<void> {
  try {
    const asked = sql<{ isReadOnly: boolean }[]>`
      SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS "isReadOnly"`;
    const [state] = await within(asked, timeoutMs, () => {
      throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `PostgreSQL did not answer within ${timeoutMs} ms.`);
    });
    if (state?.isReadOnly === true) throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'PostgreSQL is read-only.');
  } catch (error) {
    replacePool(sql);
    if (error instanceof LongshoreError) throw error;
    throw new LongshoreError('DEPENDENCY_UNAVAILABLE', 'PostgreSQL cannot be reached.', { cause: error });
  }
}
