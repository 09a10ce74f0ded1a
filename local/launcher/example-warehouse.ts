/** The database that the example `fsa` loads rows into, on the server of this home. Changes nothing that is there already. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { connectLauncher } from '#local/launcher/connect-launcher.ts';
import { ensureSecret, makeSecret } from '#local/launcher/keys.ts';
import { LOAD_TABLE } from '#shared/databases/load-tables.ts';

const WAREHOUSE = 'fsa_warehouse';
const TABLES = [
  'CREATE TABLE loans_by_county (county text PRIMARY KEY, loans int NOT NULL, amount numeric(12, 2) NOT NULL)',
  'CREATE TABLE report_owners (report text PRIMARY KEY, owner text NOT NULL, region text NOT NULL)',
];
/** What the example looks up. */
const ROWS = "INSERT INTO report_owners VALUES ('loans-by-county', 'lending', 'midwest') ON CONFLICT DO NOTHING";
const SECRET = 'secrets/fsa/warehouse-password';

export async function createExampleWarehouse(databaseUrl: string, keys: string): Promise<void> {
  const path = join(keys, SECRET);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const password = await ensureSecret(path, makeSecret);
  const server = connectLauncher(databaseUrl);
  try {
    const [found] = await server`SELECT FROM pg_database WHERE datname = ${WAREHOUSE}`;
    if (found === undefined) await server.unsafe(`CREATE DATABASE ${WAREHOUSE}`);
    const [role] = await server`SELECT FROM pg_roles WHERE rolname = ${WAREHOUSE}`;
    // The characters of a secret need no quoting.
    if (role === undefined) await server.unsafe(`CREATE ROLE ${WAREHOUSE} LOGIN PASSWORD '${password}'`);
  } finally {
    await server.end({ timeout: 5 });
  }
  const url = new URL(databaseUrl);
  url.pathname = `/${WAREHOUSE}`;
  const warehouse = connectLauncher(url.href);
  try {
    // Earlier versions staged rows in it.
    await warehouse`DROP TABLE IF EXISTS longshore_rows`;
    for (const statement of [LOAD_TABLE, ...TABLES])
      await warehouse.unsafe(statement.replace(/^CREATE TABLE /, '$&IF NOT EXISTS '));
    await warehouse.unsafe(ROWS);
    await warehouse.unsafe(`GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA public TO ${WAREHOUSE}`);
  } finally {
    await warehouse.end({ timeout: 5 });
  }
}
