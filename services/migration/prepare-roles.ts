/**
 * The users of the fleet's database: `longshore_owner` owns the schema and makes partitions, `longshore_app` reads and writes rows,
 * `longshore_logins` reads who may log in by SFTP. On Amazon RDS they sign in with IAM; elsewhere an operator gives them passwords.
 *
 * 1. Repeating it changes nothing.
 * 2. Side by side, one waits for the other: PostgreSQL refuses grants that meet ("tuple concurrently updated").
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { withMigrationLock } from '#shared/db/migrate.ts';

export const OWNER = 'longshore_owner';
export const APPLICATION = 'longshore_app';
const LOGINS = 'longshore_logins';
/** What `findSftpLogin` reads. */
const LOGIN_TABLES = ['tenants', 'sftp_users', 'sftp_user_keys', 'routes', 'route_versions'];

/** Before the schema. */
export async function prepareRoles(sql: Sql): Promise<void> {
  for (const role of [OWNER, APPLICATION, LOGINS]) {
    await sql`
      DO $$ BEGIN
        CREATE ROLE ${sql(role)} LOGIN;
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END $$`.simple();
  }
  const [names] = await sql<{ database: string; hasIam: boolean }[]>`
    SELECT current_database() AS database, EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') AS "hasIam"`;
  await withMigrationLock(sql, async (tx) => {
    await tx`GRANT ${tx(OWNER)} TO CURRENT_USER`;
    await tx`GRANT CREATE, CONNECT ON DATABASE ${tx(names?.database ?? '')} TO ${tx(OWNER)}`;
    await tx`GRANT ALL ON SCHEMA public TO ${tx(OWNER)}`;
    if (names?.hasIam === true) await tx`GRANT rds_iam TO ${tx(OWNER)}, ${tx(APPLICATION)}, ${tx(LOGINS)}`;
  });
}

/** After the schema, as its owner. */
export async function grantRows(sql: Sql): Promise<void> {
  await withMigrationLock(sql, async (tx) => {
    await tx`GRANT USAGE ON SCHEMA public TO ${tx(APPLICATION)}, ${tx(LOGINS)}`;
    await tx`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${tx(APPLICATION)}`;
    await tx`GRANT SELECT ON ${tx(LOGIN_TABLES)} TO ${tx(LOGINS)}`;
    await tx`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${tx(APPLICATION)}`;
    await tx`
      ALTER DEFAULT PRIVILEGES IN SCHEMA public
      GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${tx(APPLICATION)}`;
    await tx`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO ${tx(APPLICATION)}`;
  });
}
