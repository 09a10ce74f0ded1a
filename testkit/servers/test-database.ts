/**
 * Its own database for each test file, with every migration applied.
 *
 * 1. One server serves a whole vitest run; it is started by the first test that asks, so pure tests do not pay for it.
 * 2. Databases are copies of one migrated template, which takes milliseconds where migrating takes a second.
 */
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';

export interface TestDatabase {
  readonly url: string;
  /** Cuts whatever is still connected. */
  drop(): Promise<void>;
}

/** `isEmpty` leaves the migrations out, for tests of the migrations themselves. */
export async function createTestDatabase(options: { isEmpty?: boolean } = {}): Promise<TestDatabase> {
  const { serverUrl, templateName } = await askTestRun<{ serverUrl: string; templateName: string }>('database');
  const name = `test_${randomBytes(8).toString('hex')}`;
  const template = options.isEmpty ? 'template0' : templateName;
  await execute(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

/** By server, of which a run has one: a connection costs more than what is asked over it. It closes when nobody has used it for a while. */
const connections = new Map<string, postgres.Sql>();
const IDLE_S = 20;

async function execute(url: string, statement: string): Promise<void> {
  const sql =
    connections.get(url) ?? postgres(url, { max: 1, idle_timeout: IDLE_S, fetch_types: false, onnotice: () => {} });
  connections.set(url, sql);
  await sql.unsafe(statement);
}
