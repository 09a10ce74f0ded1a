/** The gateway as a process, while 200 MiB pass through it, and while users and keys come and go. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { addSftpKey, fingerprintOf, revokeSftpKey } from '#shared/access/sftp-users.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { call, connectSftp } from '#testkit/beds/sftp-gateway-bed.ts';
import { type RunningGateway, type SftpProcessBed, startSftpProcessBed } from '#testkit/beds/sftp-process-bed.ts';
import { makeSshKey } from './make-ssh-key.ts';

const PART_BYTES = 5 * 1_024 * 1_024;

let bed: SftpProcessBed;
beforeAll(async () => {
  bed = await startSftpProcessBed();
});
afterEach(() => bed.killAll());
afterAll(() => bed.stop());

test('the gateway lets a further key in, and no more once it is revoked, ending its session', async () => {
  const gateway = await bed.startGateway();
  const further = makeSshKey();
  const config = { host: '127.0.0.1', port: gateway.port, username: 'acme-user', privateKey: further.private };
  await expect(connectSftp(config)).rejects.toThrow(/authentication/i);
  const key = { username: 'acme-user', publicKey: further.public, label: 'x', reason: 'x' };
  expect(await addSftpKey(bed.sql as unknown as Sql, key, 'test')).toBe('added');
  const open = await vi.waitFor(() => connectSftp(config), { timeout: 60_000, interval: 200 });
  const ended = once(open.client, 'close');
  await revokeSftpKey(
    bed.sql as unknown as Sql,
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

test('the gateway lets a user in no more once it is disabled', async () => {
  const gateway = await bed.startGateway();
  await (await gateway.connect()).close();
  await bed.sql`UPDATE sftp_users SET disabled_at = now()`;
  try {
    await vi.waitFor(() => expect(gateway.connect()).rejects.toThrow(/authentication/i), {
      timeout: 60_000,
      interval: 200,
    });
  } finally {
    await bed.sql`UPDATE sftp_users SET disabled_at = NULL`;
  }
});

test('the gateway holds flat memory while a large file passes', async () => {
  const gateway = await bed.startGateway();
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

async function residentMegabytes({ statusUrl }: RunningGateway): Promise<number> {
  const metrics = await (await fetch(`${statusUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 1_024 / 1_024;
}
