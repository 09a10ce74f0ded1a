/** What a database needs for `load` in the mode `insert`; also in docs/guides/targets.md. */
export const LOAD_TABLES = [
  `CREATE TABLE longshore_loads (
  key text PRIMARY KEY, "table" text NOT NULL, rows bigint NOT NULL, loaded_at timestamptz NOT NULL DEFAULT now())`,
  `CREATE UNLOGGED TABLE longshore_rows (
  key text, stage uuid, seq bigint, lines bigint[] NOT NULL, rows json NOT NULL, PRIMARY KEY (key, stage, seq))`,
  'ALTER TABLE longshore_rows ALTER COLUMN rows SET STORAGE EXTERNAL',
] as const;
