/** Puts a recorded version into a database of its schema, and into buckets and queues; its times are moved to now. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import postgres from 'postgres';
import type { Sql } from '#shared/db/connect-database.ts';
import { type BucketId, bucketName } from '#shared/runtime/config/resource-names.ts';
import { createTestClient } from '#testkit/servers/s3-server.ts';
import { RECORDING, type RecordedVersion } from './recorded-version.ts';

const require = createRequire(import.meta.url);
const MIGRATIONS = fileURLToPath(new URL('../../shared/db/migrations', import.meta.url));

/** Between the versions nothing ran: the leases of the previous one are over. */
const DOWN_SECONDS = 90;

/** Its names in the test's own: prefix, partner, and the ids that S3 gives versions of objects. */
export interface Names {
  readonly prefix: string;
  readonly partnerUrl: string;
  readonly versions: ReadonlyMap<string, string>;
}

export const readRecording = async (): Promise<RecordedVersion> =>
  JSON.parse(await readFile(RECORDING, 'utf8')) as RecordedVersion;

/** The schema as that version left it: its own migrations, which never change. */
export async function migrateTo(databaseUrl: string, migration: string): Promise<void> {
  const { drizzle } = require('drizzle-orm/postgres-js') as typeof import('drizzle-orm/postgres-js');
  const migrator = require('drizzle-orm/postgres-js/migrator') as typeof import('drizzle-orm/postgres-js/migrator');
  const folder = await mkdtemp(join(tmpdir(), 'longshore-migrations-'));
  const client = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await cp(MIGRATIONS, folder, { recursive: true });
    const journalPath = join(folder, 'meta/_journal.json');
    const journal = JSON.parse(await readFile(journalPath, 'utf8')) as { entries: { tag: string }[] };
    const last = journal.entries.findIndex(({ tag }) => tag === migration);
    if (last < 0) throw new Error(`no migration ${migration}: the recorded version is not one before this`);
    await writeFile(journalPath, JSON.stringify({ ...journal, entries: journal.entries.slice(0, last + 1) }));
    await migrator.migrate(drizzle(client), { migrationsFolder: folder });
  } finally {
    await client.end({ timeout: 5 });
    await rm(folder, { recursive: true });
  }
}

/** @returns the ids of the new versions, by the old ones */
export async function putObjects(
  { objects }: RecordedVersion,
  s3Url: string,
  prefix: string,
): Promise<Map<string, string>> {
  const s3 = createTestClient(s3Url);
  const versions = new Map<string, string>();
  for (const { bucket, key, versionId, contentType, body } of objects) {
    const put = await s3.send(
      new PutObjectCommand({
        Bucket: bucketName(prefix, bucket as BucketId),
        Key: key,
        Body: Buffer.from(body, 'base64'),
        ...(contentType !== undefined && { ContentType: contentType }),
      }),
    );
    versions.set(versionId, put.VersionId ?? '');
  }
  s3.destroy();
  return versions;
}

export function rename(text: string, { prefix, partnerUrl }: RecordedVersion, names: Names): string {
  const buckets = text.replaceAll(`"${prefix}-`, `"${names.prefix}-`).replaceAll(partnerUrl, names.partnerUrl);
  return [...names.versions].reduce((renamed, [old, now]) => renamed.replaceAll(old, now), buckets);
}

export async function loadRows(sql: Sql, recorded: RecordedVersion, names: Names): Promise<void> {
  const shiftSeconds = (Date.now() - Date.parse(recorded.recordedAt)) / 1_000 - DOWN_SECONDS;
  const tables = JSON.parse(rename(JSON.stringify(recorded.tables), recorded, names)) as RecordedVersion['tables'];
  for (const [table, rows] of Object.entries(tables)) {
    const columns = await sql<{ name: string; type: string }[]>`
      SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
      WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`;
    const known = columns.filter(({ name }) => name in (rows[0] ?? {}));
    const values = known.map(({ name, type }) =>
      type === 'timestamp with time zone' ? `"${name}" + make_interval(secs => ${shiftSeconds})` : `"${name}"`,
    );
    const names = known.map(({ name }) => `"${name}"`).join(', ');
    await sql.begin(async (tx) => {
      // In any order: what refers to what is complete at the end.
      await tx`SET LOCAL session_replication_role = replica`;
      // What a migration put there is recorded too.
      await tx.unsafe(`DELETE FROM "${table}"`);
      await tx.unsafe(
        `INSERT INTO "${table}" (${names}) OVERRIDING SYSTEM VALUE
         SELECT ${values.join(', ')} FROM jsonb_populate_recordset(NULL::"${table}", $1::text::jsonb)`,
        [JSON.stringify(rows)],
      );
    });
  }
  await sql.unsafe(SET_SEQUENCES);
}

/** New rows continue where the recorded ones end. */
const SET_SEQUENCES = `DO $$ DECLARE owned record; BEGIN
  FOR owned IN
    SELECT s.oid::regclass AS sequence, d.refobjid::regclass AS owner, a.attname AS column
    FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i') JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE s.relkind = 'S'
  LOOP
    EXECUTE format('SELECT setval(%L, greatest((SELECT max(%I) FROM %s), 1))', owned.sequence, owned.column, owned.owner);
  END LOOP;
END $$`;
