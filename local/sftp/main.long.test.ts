/** The gateway as a process, while 200 MiB pass through it. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { call } from '#testkit/beds/sftp-gateway-bed.ts';
import { type RunningGateway, startSftpProcessBed } from '#testkit/beds/sftp-process-bed.ts';

const PART_BYTES = 5 * 1_024 * 1_024;

test('the gateway holds flat memory while a large file passes', async () => {
  const bed = await startSftpProcessBed();
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
  bed.killAll();
  await bed.stop();
  expect(peak - before).toBeLessThan(96);
});

async function residentMegabytes({ statusUrl }: RunningGateway): Promise<number> {
  const metrics = await (await fetch(`${statusUrl}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]) / 1_024 / 1_024;
}
