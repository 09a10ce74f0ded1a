/** What the gateway does when the object store fails, and when a client does nothing or too much. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ClientChannel } from 'ssh2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { call, codeOf, PART_BYTES, startTestGateway, type TestGateway } from '#testkit/beds/sftp-gateway-bed.ts';
import { LANDING } from '#testkit/servers/sftp-store.ts';

let test: TestGateway;
afterEach(() => test.stop());

describe('while the object store is down', () => {
  it('an upload is refused by one sentence and reported as failed without an object', async () => {
    test = await startTestGateway();
    const { sftp, close } = await test.connect();
    const small = await call<Buffer>((done) => sftp.open('/small.bin', 'w', done));
    await call((done) => sftp.write(small, Buffer.from('abc'), 0, 3, 0, done));
    await test.stopStore();
    expect(await codeOf(call((done) => sftp.close(small, done)))).toBe('DEPENDENCY_UNAVAILABLE');
    expect(await codeOf(call((done) => sftp.stat('/small.bin', done)))).toBe('DEPENDENCY_UNAVAILABLE');
    expect(test.events()).toMatchObject([
      {
        'detail-type': 'SFTP Server File Upload Failed',
        detail: { 'failure-code': 'UNKNOWN_ERROR', 'file-path': `/${LANDING}/acme/small.bin` },
      },
    ]);
    expect(test.events()[0]!.detail).not.toHaveProperty('etag');
    expect(test.logLines.join('')).toContain('ECONNREFUSED');
    await close();
  });

  it('a multipart upload that cannot be aborted stays noted for the next start', async () => {
    test = await startTestGateway();
    const { sftp, close } = await test.connect();
    const handle = await call<Buffer>((done) => sftp.open('/large.bin', 'w', done));
    const piece = randomBytes(32_768);
    for (let offset = 0; offset < 2 * PART_BYTES; offset += piece.length) {
      await call((done) => sftp.write(handle, piece, 0, piece.length, offset, done));
    }
    await vi.waitFor(() => expect(test.journal.openUploads.list()).toHaveLength(1), { timeout: 60_000 });
    await test.stopStore();
    expect(await codeOf(call((done) => sftp.close(handle, done)))).toBe('DEPENDENCY_UNAVAILABLE');
    expect(test.journal.openUploads.list()).toMatchObject([{ bucket: LANDING, key: 'acme/large.bin' }]);
    await close();
  });
});

describe('a client', () => {
  it('that asks for a file and does not read it makes the gateway hold little of it', async () => {
    test = await startTestGateway();
    const { sftp, client, close } = await test.connect();
    await call((done) => sftp.writeFile('/large.bin', randomBytes(24 * 1_024 * 1_024), done));
    const channel = await call<ClientChannel>((done) => client.subsys('sftp', done as never));
    const request = (type: number, ...fields: (number | bigint | string)[]): Buffer => {
      const body = fields.map((field) => {
        const bytes = Buffer.alloc(typeof field === 'bigint' ? 8 : 4);
        if (typeof field === 'bigint') bytes.writeBigUInt64BE(field);
        else bytes.writeUInt32BE(typeof field === 'number' ? field : field.length);
        return typeof field === 'string' ? Buffer.concat([bytes, Buffer.from(field, 'latin1')]) : bytes;
      });
      const packet = Buffer.concat([Buffer.from([0, 0, 0, 0, type]), ...body]);
      packet.writeUInt32BE(packet.length - 4);
      return packet;
    };
    channel.write(Buffer.concat([request(1, 3), request(3, 1, '/large.bin', 1, 0)]));
    let received = 0;
    const { promise: opened, resolve: markOpened } = Promise.withResolvers<void>();
    channel.on('data', (data: Buffer) => {
      received += data.length;
      // VERSION has 9 bytes, HANDLE 17.
      if (received >= 26) markOpened();
    });
    await opened;
    channel.pause();
    const reads = Array.from({ length: 96 }, (_, index) =>
      request(5, 2 + index, '\0\0\0\x01', BigInt(index * 255 * 1_024), 255 * 1_024),
    );
    channel.write(Buffer.concat(reads));
    const sentMegabytes = async (): Promise<number> =>
      ((await test.gateway.metrics.sentBytes.get()).values[0]?.value ?? 0) / 1_024 / 1_024;
    await vi.waitFor(async () => expect(await sentMegabytes()).toBeGreaterThan(1), { timeout: 60_000 });
    // As many requests of another channel as would have been served long since, had they not waited.
    for (let round = 0; round < 300; round += 1) await call((done) => sftp.stat('/large.bin', done as never));
    expect(await sentMegabytes()).toBeLessThan(12);
    channel.resume();
    await vi.waitFor(async () => expect(await sentMegabytes()).toBeGreaterThan(23), { timeout: 60_000 });
    await close();
  });

  it('that asks for nothing is sent away, and one that asks stays', async () => {
    const idleTimeoutMs = 1_000;
    test = await startTestGateway({ idleTimeoutMs });
    const idle = await test.connect();
    const isGone = { idle: false, busy: false };
    idle.client.once('close', () => {
      isGone.idle = true;
    });
    const connectBusy = async () => {
      const connection = await test.connect();
      isGone.busy = false;
      const closed = once(connection.client, 'close').then(() => {
        isGone.busy = true;
      });
      return { ...connection, closed };
    };
    let busy = await connectBusy();
    let askedAt = performance.now();
    while (!isGone.idle) {
      const asked = call((done) => busy.sftp.realpath('/', done as never)).catch(() => busy.closed);
      await Promise.race([asked, busy.closed]);
      const pauseMs = performance.now() - askedAt;
      askedAt += pauseMs;
      // A machine that stood still for as long made it idle as well.
      if (isGone.busy && pauseMs >= idleTimeoutMs) busy = await connectBusy();
      expect(isGone.busy).toBe(false);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await call((done) => busy.sftp.realpath('/', done as never))).toBe('/');
    await busy.close();
  });

  it('that floods the session with requests is cut off', async () => {
    test = await startTestGateway({ maxPendingRequests: 50 });
    const { client } = await test.connect();
    client.on('error', () => undefined);
    const channel = await call<ClientChannel>((done) => client.subsys('sftp', done as never));
    channel.on('error', () => undefined);
    channel.resume();
    const stat = Buffer.from([0, 0, 0, 10, 17, 0, 0, 0, 1, 0, 0, 0, 1, 0x78]);
    const closed = once(client, 'close');
    channel.write(
      Buffer.concat([Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]), ...Array.from({ length: 500 }, () => stat)]),
    );
    await closed;
    const { values } = await test.gateway.metrics.refusedConnections.get();
    expect(values.find(({ labels }) => labels.reason === 'pending-requests')?.value).toBeGreaterThan(0);
  });
});
