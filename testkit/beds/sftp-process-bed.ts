/** The SFTP gateway as the process that the launcher starts, against a real database and object store, with the user `acme-user`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';
import { LANDING, startTestStore, type TestStore } from '#testkit/servers/sftp-store.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';
import { createTestDatabase } from '#testkit/servers/test-database.ts';
import { connectSftp, type TestConnection } from './sftp-gateway-bed.ts';

const MAIN = fileURLToPath(new URL('../../local/sftp/main.ts', import.meta.url));

export interface RunningGateway {
  readonly process: TestProcess;
  readonly port: number;
  readonly statusUrl: string;
  connect(): Promise<TestConnection>;
}

export interface SftpProcessBed {
  readonly directory: string;
  readonly store: TestStore;
  readonly sql: postgres.Sql;
  readonly privateKey: string;
  startGateway(): Promise<RunningGateway>;
  killAll(): void;
  stop(): Promise<void>;
}

export async function startSftpProcessBed(): Promise<SftpProcessBed> {
  const keys = makeSshKey();
  const children = new Set<TestProcess>();
  const directory = mkdtempSync(join(tmpdir(), 'longshore-sftp-main-'));
  const store = await startTestStore(join(directory, 's3'));
  const database = await createTestDatabase();
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('acme', 'Acme', '{}')`;
  await sql`
    INSERT INTO sftp_users (username, tenant_id, public_key, home_prefix)
    VALUES ('acme-user', 'acme', ${keys.public}, 'acme/')`;

  return {
    ...{ directory, store, sql, privateKey: keys.private },
    async startGateway() {
      const child = startProcess([MAIN], {
        env: {
          PATH: process.env.PATH,
          // As the launcher starts it: left alone, V8 lets its young generation grow by more than what is measured here.
          NODE_OPTIONS: '--max-semi-space-size=2 --max-old-space-size=256',
          MALLOC_ARENA_MAX: '2',
          DATABASE_URL: database.url,
          AWS_REGION: 'us-east-1',
          AWS_ACCESS_KEY_ID: store.credentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: store.credentials.secretAccessKey,
          AWS_ENDPOINT_URL_S3: store.endpoint,
          LONGSHORE_PREFIX: LANDING.replace('-landing', ''),
          LONGSHORE_S3_PATH_STYLE: 'true',
          LONGSHORE_HTTP_HOST: '127.0.0.1',
          LONGSHORE_HTTP_PORT: '0',
          LONGSHORE_SFTP_PORT: '0',
          LONGSHORE_SFTP_DIRECTORY: join(directory, 'sftp'),
          LONGSHORE_SFTP_HOST_KEY_FILE: join(directory, 'keys/host'),
        },
      });
      children.add(child);
      const [line] = await child.untilLine(/^.*"msg":"SFTP gateway listens".*$/);
      const { port, statusPort } = JSON.parse(line) as { port: number; statusPort: number };
      const config = { host: '127.0.0.1', port, username: 'acme-user', privateKey: keys.private };
      return { process: child, port, statusUrl: `http://127.0.0.1:${statusPort}`, connect: () => connectSftp(config) };
    },
    killAll() {
      for (const child of children) child.kill('SIGKILL');
      children.clear();
    },
    async stop() {
      await sql.end();
      await database.drop();
      await store.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
