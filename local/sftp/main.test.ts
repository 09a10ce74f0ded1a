/** The gateway as the process that the launcher starts, against a real database and object store. */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { addSftpKey, fingerprintOf, revokeSftpKey } from '#shared/access/sftp-users.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { call, connectSftp, type TestConnection } from '#testkit/beds/sftp-gateway-bed.ts';
import { LANDING, startTestStore, type TestStore } from '#testkit/servers/sftp-store.ts';
import { startProcess, type TestProcess } from '#testkit/servers/start-process.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { makeSshKey } from './make-ssh-key.ts';
import { openTransferJournal } from './transfer-journal.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** A process has parts of 8 MiB: this is less than one, and twice this more. */
const PART_BYTES = 5 * 1_024 * 1_024;
const keys = makeSshKey();

let directory: string;
let store: TestStore;
let database: TestDatabase;
let sql: postgres.Sql;
const children = new Set<TestProcess>();

interface RunningGateway {
  readonly process: TestProcess;
  readonly port: number;
  readonly statusUrl: string;
  connect(): Promise<TestConnection>;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'longshore-sftp-main-'));
  store = await startTestStore(join(directory, 's3'));
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  await sql`INSERT INTO tenants (id, name, ignore_globs) VALUES ('acme', 'Acme', '{}')`;
  await sql`
    INSERT INTO sftp_users (username, tenant_id, public_key, home_prefix)
    VALUES ('acme-user', 'acme', ${keys.public}, 'acme/')`;
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(async () => {
  await sql.end();
  await database.drop();
  await store.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function startGateway(): Promise<RunningGateway> {
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
}

const openUploadCount = async (): Promise<number> =>
  ((await store.client.send(new ListMultipartUploadsCommand({ Bucket: LANDING }))).Uploads ?? []).length;

function journaledEvents(): { type: string; path: unknown }[] {
  const journal = openTransferJournal(join(directory, 'sftp'));
  try {
    return journal.read(1_000).map(({ event }) => ({ type: event['detail-type'], path: event.detail['file-path'] }));
  } finally {
    journal.close();
  }
}

async function beginUpload({ sftp }: TestConnection, path: string, sizeBytes: number): Promise<void> {
  const handle = await call<Buffer>((done) => sftp.open(path, 'w', done));
  const piece = randomBytes(32_768);
  for (let offset = 0; offset < sizeBytes; offset += piece.length) {
    await call((done) => sftp.write(handle, piece, 0, piece.length, offset, done));
  }
}

describe('the gateway process', () => {
  it('takes the users of the database, says that it is ready, and counts what it does', async () => {
    const gateway = await startGateway();
    expect((await fetch(`${gateway.statusUrl}/healthz`)).status).toBe(200);
    expect((await fetch(`${gateway.statusUrl}/readyz`)).status).toBe(200);
    const { sftp, close } = await gateway.connect();
    await call((done) => sftp.writeFile('/a.csv', 'abc', done));
    const metrics = await (await fetch(`${gateway.statusUrl}/metrics`)).text();
    expect(metrics).toContain('longshore_sftp_uploads_total{outcome="completed"} 1');
    expect(metrics).toContain('longshore_sftp_received_bytes_total 3');
    expect(metrics).toContain('longshore_sftp_sessions 1');
    await close();
    expect(journaledEvents().at(-1)).toEqual({
      type: 'SFTP Server File Upload Completed',
      path: `/${LANDING}/acme/a.csv`,
    });
  });

  it('shows the directories that the routes of the tenant name', async () => {
    const routeId = randomUUID();
    const definition = sql.json({ match: { path: ['inbound/orders/*.csv'] } });
    await sql`INSERT INTO routes (id, tenant_id, name, active_version) VALUES (${routeId}, 'acme', 'orders', 1)`;
    await sql`
      INSERT INTO route_versions (id, route_id, version, definition, definition_hash, created_by)
      VALUES (${randomUUID()}, ${routeId}, 1, ${definition}, 'hash', 'test')`;
    const { sftp, close } = await (await startGateway()).connect();
    const names = await call<{ filename: string }[]>((done) => sftp.readdir('/inbound', done));
    expect(names.map(({ filename }) => filename)).toEqual(['orders']);
    await close();
  });

  it('keeps its host key, readable for its owner only', async () => {
    const hostKeyOf = async (gateway: RunningGateway): Promise<string> => {
      let key = '';
      const hostVerifier = (seen: Buffer) => {
        key = seen.toString('base64');
        return true;
      };
      const config = { host: '127.0.0.1', port: gateway.port, username: 'acme-user', privateKey: keys.private };
      await (await connectSftp({ ...config, hostVerifier })).close();
      return key;
    };
    const first = await hostKeyOf(await startGateway());
    expect(await hostKeyOf(await startGateway())).toBe(first);
    expect(statSync(join(directory, 'keys/host')).mode & 0o777).toBe(0o600);
  });

  it('lets a further key in, and no more once it is revoked, ending its session', async () => {
    const gateway = await startGateway();
    const further = makeSshKey();
    const config = { host: '127.0.0.1', port: gateway.port, username: 'acme-user', privateKey: further.private };
    await expect(connectSftp(config)).rejects.toThrow(/authentication/i);
    const key = { username: 'acme-user', publicKey: further.public, label: 'x', reason: 'x' };
    expect(await addSftpKey(sql as unknown as Sql, key, 'test')).toBe('added');
    const open = await vi.waitFor(() => connectSftp(config), { timeout: 60_000, interval: 200 });
    const ended = once(open.client, 'close');
    await revokeSftpKey(
      sql as unknown as Sql,
      { username: 'acme-user', fingerprint: fingerprintOf(further.public), reason: 'x' },
      'test',
    );
    await vi.waitFor(() => expect(connectSftp(config)).rejects.toThrow(/authentication/i), {
      timeout: 60_000,
      interval: 200,
    });
    await ended;
    await (await gateway.connect()).close();
  });

  it('lets a user in no more once it is disabled', async () => {
    const gateway = await startGateway();
    await (await gateway.connect()).close();
    await sql`UPDATE sftp_users SET disabled_at = now()`;
    try {
      await vi.waitFor(() => expect(gateway.connect()).rejects.toThrow(/authentication/i), {
        timeout: 60_000,
        interval: 200,
      });
    } finally {
      await sql`UPDATE sftp_users SET disabled_at = NULL`;
    }
  });

  it('cuts off and reports, at SIGTERM, what does not end in time, and exits cleanly', async () => {
    const gateway = await startGateway();
    const connection = await gateway.connect();
    connection.client.on('error', () => undefined);
    await beginUpload(connection, '/at-sigterm.bin', 2 * PART_BYTES);
    // The upload never ends, so that the process does is the bound.
    expect(await gateway.process.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(journaledEvents().filter(({ path }) => path === `/${LANDING}/acme/at-sigterm.bin`)).toEqual([
      { type: 'SFTP Server File Upload Failed', path: `/${LANDING}/acme/at-sigterm.bin` },
    ]);
    expect(await openUploadCount()).toBe(0);
  });

  it('aborts, at its next start, the multipart uploads that a killed process left open', async () => {
    const gateway = await startGateway();
    const connection = await gateway.connect();
    connection.client.on('error', () => undefined);
    await beginUpload(connection, '/at-kill.bin', 20 * 1_024 * 1_024);
    await vi.waitFor(async () => expect(await openUploadCount()).toBe(1), { timeout: 60_000 });
    await gateway.process.end('SIGKILL');
    expect(await openUploadCount()).toBe(1);
    await startGateway();
    expect(await openUploadCount()).toBe(0);
    expect(journaledEvents().filter(({ path }) => path === `/${LANDING}/acme/at-kill.bin`)).toEqual([]);
  });

  it('holds flat memory while a large file passes', async () => {
    const gateway = await startGateway();
    const { sftp, close } = await gateway.connect();
    await call((done) => sftp.writeFile('/warm.bin', randomBytes(PART_BYTES), done));
    const before = await residentMegabytes(gateway);
    const handle = await call<Buffer>((done) => sftp.open('/large.bin', 'w', done));
    const piece = randomBytes(32_768);
    let peak = before;
    for (let offset = 0; offset < 200 * 1_024 * 1_024; offset += 64 * piece.length) {
      const writes = Array.from({ length: 64 }, (_, index) =>
        call((done) => sftp.write(handle, piece, 0, piece.length, offset + index * piece.length, done)),
      );
      await Promise.all(writes);
      if (offset % (16 * 1_024 * 1_024) === 0) peak = Math.max(peak, await residentMegabytes(gateway));
    }
    await call((done) => sftp.close(handle, done));
    await close();
    expect(peak - before).toBeLessThan(96);
  });
});

async function residentMegabytes({ statusUrl }: RunningGateway): Promise<number> {
  const metrics = await (await fetch(`${statusUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 1_024 / 1_024;
}
