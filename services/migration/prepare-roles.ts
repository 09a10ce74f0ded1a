/**
 * The users of the fleet's database: `longshore_owner` owns the schema and makes partitions, `longshore_app` reads and writes rows.
 * Repeating it changes nothing. On Amazon RDS both sign in with IAM; elsewhere an operator gives them passwords.
 */
import type { Sql } from '#shared/db/connect-database.ts';

export const OWNER = 'longshore_owner';
export const APPLICATION = 'longshore_app';

/** Before the schema. */
export async function prepareRoles(sql: Sql): Promise<void> {
  for (const role of [OWNER, APPLICATION]) {
    await sql`
      DO $$ BEGIN
        CREATE ROLE ${sql(role)} LOGIN;
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END $$`.simple();
  }
  const [names] = await sql<{ database: string; hasIam: boolean }[]>`
    SELECT current_database() AS database, EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') AS "hasIam"`;
  await sql`GRANT ${sql(OWNER)} TO CURRENT_USER`;
  await sql`GRANT CREATE, CONNECT ON DATABASE ${sql(names?.database ?? '')} TO ${sql(OWNER)}`;
  await sql`GRANT ALL ON SCHEMA public TO ${sql(OWNER)}`;
  if (names?.hasIam === true) await sql`GRANT rds_iam TO ${sql(OWNER)}, ${sql(APPLICATION)}`;
}

/** After the schema, as its owner. */
export async function grantRows(sql: Sql): Promise<void> {
  await sql`GRANT USAGE ON SCHEMA public TO ${sql(APPLICATION)}`;
  await sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${sql(APPLICATION)}`;
  await sql`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${sql(APPLICATION)}`;
  await sql`
    ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${sql(APPLICATION)}`;
  await sql`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO ${sql(APPLICATION)}`;
}
