/** The gateway as a process: what it takes from its database, what it keeps, and how it ends. */
import { randomBytes, randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { call, connectSftp, type TestConnection } from '#testkit/beds/sftp-gateway-bed.ts';
import { type RunningGateway, type SftpProcessBed, startSftpProcessBed } from '#testkit/beds/sftp-process-bed.ts';
import { LANDING } from '#testkit/servers/sftp-store.ts';
import { openTransferJournal } from './transfer-journal.ts';

/** A process has parts of 8 MiB: this is less than one, and twice this more. */
const PART_BYTES = 5 * 1_024 * 1_024;

let bed: SftpProcessBed;
beforeAll(async () => {
  bed = await startSftpProcessBed();
});
afterEach(() => bed.killAll());
afterAll(() => bed.stop());

const startGateway = () => bed.startGateway();

const openUploadCount = async (): Promise<number> =>
  ((await bed.store.client.send(new ListMultipartUploadsCommand({ Bucket: LANDING }))).Uploads ?? []).length;

function journaledEvents(): { type: string; path: unknown }[] {
  const journal = openTransferJournal(join(bed.directory, 'sftp'));
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
    const definition = bed.sql.json({ match: { path: ['inbound/orders/*.csv'] } });
    await bed.sql`INSERT INTO routes (id, tenant_id, name, active_version) VALUES (${routeId}, 'acme', 'orders', 1)`;
    await bed.sql`
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
      const config = { host: '127.0.0.1', port: gateway.port, username: 'acme-user', privateKey: bed.privateKey };
      await (await connectSftp({ ...config, hostVerifier })).close();
      return key;
    };
    const first = await hostKeyOf(await startGateway());
    expect(await hostKeyOf(await startGateway())).toBe(first);
    expect(statSync(join(bed.directory, 'keys/host')).mode & 0o777).toBe(0o600);
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
});
