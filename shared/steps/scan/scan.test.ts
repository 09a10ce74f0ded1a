/** `scan` by the stand-in of clamd and, where it is installed, by clamd itself. */
import { createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Histogram, Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ZipFile } from 'yazl';
import type { ClamdTimes } from '#shared/content/scan/clamd-client.ts';
import { createScanner, type Scan } from '#shared/content/scan/create-scanner.ts';
import { EICAR } from '#shared/content/scan/eicar.ts';
import type { ClamdAddress } from '#shared/content/scan/scan-variables.ts';
import { NO_TARGETS, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { startClamdStandIn, startInstalledClamd, whyNoClamd } from '#testkit/servers/clamd-servers.ts';
import { scanOptions } from './options.ts';
import { scanStep } from './run.ts';

const MIB = 1024 ** 2;
const HOST = '127.0.0.1';

let bench: StepBench;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function standIn(options: Parameters<typeof startClamdStandIn>[0] = {}): Promise<ClamdAddress> {
  const clamd = await startClamdStandIn(options);
  stops.push(clamd.stop);
  return { host: HOST, port: clamd.port };
}

/** Answers each connection by `handle`. */
async function fake(handle: (socket: Socket) => void): Promise<ClamdAddress> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { host: HOST, port: (server.address() as { port: number }).port };
}

function scannerAt(address: ClamdAddress, now = () => performance.now(), times?: ClamdTimes): Scan {
  const seconds = new Histogram({
    name: 's',
    help: 's',
    labelNames: ['verdict'] as const,
    registers: [new Registry()],
  });
  return createScanner({ address, seconds, now, ...(times !== undefined && { times }) });
}

async function scan(scanner: Scan | undefined, body: Uint8Array | string, options = {}, request = {}) {
  const object = await bench.land('statement.zip', body);
  const targets = { ...NO_TARGETS, scan: scanner };
  return await runStep(bench, { ...{ step: scanStep, kind: scanOptions, object, options, targets }, ...request });
}

async function zipOf(name: string, content: Uint8Array): Promise<Buffer> {
  const zip = new ZipFile();
  zip.addBuffer(Buffer.from(content), name);
  zip.end();
  return await buffer(zip.outputStream);
}

const infected = { type: 'failed', code: 'SCAN_ERROR', cause: 'SCAN_INFECTED' };
const waits = (reason: string) => ({ type: 'wait', reason });

async function checkVerdicts(address: ClamdAddress): Promise<void> {
  const scanner = scannerAt(address);
  const options = { maxSize: '5MiB' };
  const clean = { type: 'succeeded', output: { verdict: 'clean', engine: 'clamd', sizeBytes: 8 } };
  expect(await scan(scanner, 'a,b\n1,2\n', options)).toEqual(clean);
  expect(await scan(scanner, '', options)).toMatchObject({ type: 'succeeded', output: { verdict: 'clean' } });
  expect(await scan(scanner, EICAR, options)).toMatchObject({ ...infected, output: { verdict: 'infected' } });
  const nested = await zipOf('two.zip', await zipOf('one.zip', await zipOf('eicar.com', Buffer.from(EICAR))));
  expect(await scan(scanner, nested, options)).toMatchObject(infected);
  // An entry that would leave the archive is `unpack`'s affair: it gets its verdict.
  const leaving = async (content: string) =>
    Buffer.from(
      (await zipOf('aa/bb/c.txt', Buffer.from(content))).toString('latin1').replaceAll('aa/bb', '../..'),
      'latin1',
    );
  expect(await scan(scanner, await leaving('a,b'), options)).toMatchObject({ output: { verdict: 'clean' } });
  expect(await scan(scanner, await leaving(EICAR), options)).toMatchObject(infected);
}

test('what is clean goes on, and EICAR does not, as it is or in a zip in a zip in a zip', async () => {
  await checkVerdicts(await standIn());
});

describe.skipIf(whyNoClamd !== undefined)(
  `clamd itself${whyNoClamd === undefined ? '' : ` (skipped: ${whyNoClamd})`}`,
  () => {
    test('comes to the same verdicts', async () => {
      const clamd = await startInstalledClamd();
      stops.push(clamd.stop);
      await checkVerdicts(clamd.address);
    });

    test('is trusted with files of half its MaxScanSize: what is in an archive counts in addition to it', async () => {
      const clamd = await startInstalledClamd('MaxScanSize 8M\n');
      stops.push(clamd.stop);
      const scanner = scannerAt(clamd.address);
      expect(await scan(scanner, 'a', { maxSize: '3MiB' })).toMatchObject({ type: 'succeeded' });
      expect(await scan(scanner, 'a', { maxSize: '6MiB' })).toMatchObject(waits('SCAN_NOT_TRUSTED'));
    });

    test('is not trusted where its limits are below what the route scans', async () => {
      const clamd = await startInstalledClamd('MaxFileSize 2M\n');
      stops.push(clamd.stop);
      expect(await scan(scannerAt(clamd.address), 'a', { maxSize: '8MiB' })).toMatchObject(waits('SCAN_NOT_TRUSTED'));
    });
  },
);

test('a file waits for a scanner that is not set up, cannot be reached, or gives no verdict', async () => {
  expect(await scan(undefined, 'a')).toMatchObject(waits('SCAN_UNAVAILABLE'));
  const gone = await startClamdStandIn();
  await gone.stop();
  expect(await scan(scannerAt({ host: HOST, port: gone.port }), 'a')).toMatchObject(waits('SCAN_UNAVAILABLE'));
  const rude = await fake((socket) => socket.end('stream: lstat() failed ERROR\0'));
  expect(await scan(scannerAt(rude), 'a')).toMatchObject(waits('SCAN_UNAVAILABLE'));
  const silent = await fake((socket) => socket.resume());
  const scanner = scannerAt(silent, () => performance.now(), { connectMs: 2_000, stallMs: 300 });
  expect(await scan(scanner, 'a', { maxSize: 10_000 })).toMatchObject(waits('SCAN_UNAVAILABLE'));
});

test('a verdict that came before the whole file is none', async () => {
  let connections = 0;
  const hasty = await fake((socket) => {
    connections += 1;
    if (connections === 1) socket.resume().on('end', () => {});
    socket.write(connections === 1 ? 'stream: Eicar-Test-Signature FOUND\0' : 'stream: OK\0');
    socket.end();
  });
  const body = new Uint8Array(6 * MIB);
  expect(await scan(scannerAt(hasty), body, { maxSize: '8MiB' })).toMatchObject(waits('SCAN_UNAVAILABLE'));
});

test('a scanner that does not find the test file is not trusted, until it does', async () => {
  let nowMs = 0;
  const blind = await startClamdStandIn({ knowsEicar: false });
  const scanner = scannerAt({ host: HOST, port: blind.port }, () => nowMs);
  expect(await scan(scanner, 'a', { maxSize: '1MiB' })).toMatchObject(waits('SCAN_NOT_TRUSTED'));
  await blind.stop();
  const seeing = await startClamdStandIn({ port: blind.port });
  stops.push(seeing.stop);
  expect(await scan(scanner, 'a', { maxSize: '1MiB' })).toMatchObject(waits('SCAN_NOT_TRUSTED'));
  nowMs += 15_000;
  expect(await scan(scanner, 'a', { maxSize: '1MiB' })).toMatchObject({ type: 'succeeded' });
});

test('trust ends after an hour', async () => {
  let nowMs = 0;
  const seeing = await startClamdStandIn();
  const scanner = scannerAt({ host: HOST, port: seeing.port }, () => nowMs);
  expect(await scan(scanner, 'a', { maxSize: '1MiB' })).toMatchObject({ type: 'succeeded' });
  await seeing.stop();
  const blind = await startClamdStandIn({ port: seeing.port, knowsEicar: false });
  stops.push(blind.stop);
  expect(await scan(scanner, 'a', { maxSize: '1MiB' })).toMatchObject({ type: 'succeeded' });
  nowMs += 3_600_000;
  expect(await scan(scanner, 'a', { maxSize: '1MiB' })).toMatchObject(waits('SCAN_NOT_TRUSTED'));
});

test('a scanner whose stream limit is below `maxSize` is not trusted', async () => {
  const scanner = scannerAt(await standIn({ streamMaxBytes: MIB }));
  expect(await scan(scanner, 'a', { maxSize: '2MiB' })).toMatchObject(waits('SCAN_NOT_TRUSTED'));
});

test('a file above `maxSize` is held or fails, and goes on unscanned once it is released', async () => {
  const body = new Uint8Array(2_000);
  const options = { maxSize: 1_024 };
  expect(await scan(undefined, body, options)).toMatchObject({ ...waits('HELD'), output: { verdict: 'too-large' } });
  const released = { type: 'succeeded', output: { verdict: 'not-scanned', released: true } };
  expect(await scan(undefined, body, options, { isReleased: true })).toEqual(released);
  const failing = { ...options, onTooLarge: 'fail' };
  expect(await scan(undefined, body, failing)).toMatchObject({ type: 'failed', cause: 'SCAN_TOO_LARGE' });
});

test.each([
  ['Heuristics.Encrypted.Zip', 'SCAN_ENCRYPTED'],
  ['Heuristics.Limits.Exceeded.MaxFileSize', 'SCAN_TOO_LARGE'],
])('what clamd calls %s is no virus', async (signature, cause) => {
  let connections = 0;
  const clamd = await fake((socket) => {
    connections += 1;
    const found = connections === 1 ? 'Eicar-Test-Signature' : signature;
    let seen = Buffer.alloc(0);
    socket.on('data', (piece) => {
      seen = Buffer.concat([seen, piece]).subarray(-4);
      if (seen.equals(Buffer.alloc(4))) socket.end(`stream: ${found} FOUND\0`);
    });
  });
  const options = { maxSize: 1_024, onTooLarge: 'fail', onEncrypted: 'fail' };
  expect(await scan(scannerAt(clamd), 'secret', options)).toMatchObject({ type: 'failed', cause });
});

test('an aborted scan ends at once', async () => {
  const stop = new AbortController();
  const silent = await fake((socket) => {
    socket.resume();
    stop.abort(new Error('stopping'));
  });
  const scanner = scannerAt(silent, () => performance.now(), { connectMs: 60_000, stallMs: 60_000 });
  await expect(scan(scanner, 'a', { maxSize: 1_024 }, { signal: stop.signal })).rejects.toThrow('stopping');
});
