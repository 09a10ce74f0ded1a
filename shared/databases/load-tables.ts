/** What a database needs for `load` in the mode `insert`; also in docs/guides/targets.md. */
export const LOAD_TABLE = `CREATE TABLE longshore_loads (
  key text PRIMARY KEY, "table" text NOT NULL, rows bigint NOT NULL, loaded_at timestamptz NOT NULL DEFAULT now())`;
