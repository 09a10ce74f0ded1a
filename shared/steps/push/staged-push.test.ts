/** `push` into Azure Blob Storage: blocks that nobody sees, and one request that shows them. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { targetsOf } from '#testkit/beds/remote-bed.ts';
import { memoryEffectLog, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { startBlobs } from '#testkit/servers/partner-file-servers.ts';
import { pushOptions } from './options.ts';
import { pushStep } from './run.ts';

let bench: StepBench;
let server: Awaited<ReturnType<typeof startBlobs>>;
beforeAll(async () => {
  [bench, server] = await Promise.all([startStepBench(), startBlobs()]);
}, 60_000);
afterAll(async () => {
  await bench.stop();
  await server.stop();
});
afterEach(async () => {
  for (const name of await readdir(server.onDisk)) await rm(join(server.onDisk, name));
  server.blobs.requests.length = 0;
});

/** Three blocks. */
const BYTES = 9_000_001;
const names = () => readdir(server.onDisk);
const sent = (request: string) => server.blobs.requests.filter((each) => each === request).length;

async function bed(name: string) {
  const content = randomBytes(BYTES);
  const object = await bench.land(name, content);
  const effects = memoryEffectLog();
  const path = `${server.directory}${name}`;
  const push = (options: object = {}) =>
    runStep(bench, {
      ...{ step: pushStep, kind: pushOptions, object, targets: targetsOf(server), effects },
      options: { remote: 'partner', path: `${server.directory}{{ name }}`, ...options },
    });
  return { content, path, push, blocks: `PUT ${path}?comp=block`, commit: `PUT ${path}?comp=blocklist` };
}

test('a file is there whole by one request, and only once', async () => {
  const { content, push, blocks, commit } = await bed('a.csv');
  expect(await push()).toMatchObject({ type: 'succeeded', output: { sizeBytes: BYTES, wasThere: false } });
  expect(await readFile(join(server.onDisk, 'a.csv'))).toEqual(content);
  expect([sent(blocks), sent(commit)]).toEqual([3, 1]);
  // The partner takes it; whoever repeats the step does not bring it back.
  await rm(join(server.onDisk, 'a.csv'));
  expect(await push()).toMatchObject({ type: 'succeeded', output: { wasThere: true } });
  expect(await names()).toEqual([]);
});

test('a push that was cut off shows nothing, and the next one sends only what is missing', async () => {
  const { content, push, blocks } = await bed('b.csv');
  server.blobs.loseReplyTo(blocks);
  expect(await push()).toMatchObject({ type: 'retry', cause: 'REMOTE_LOST' });
  expect(await names()).toEqual([]);
  expect(await push()).toMatchObject({ type: 'succeeded' });
  expect(sent(blocks)).toBe(3);
  expect(await readFile(join(server.onDisk, 'b.csv'))).toEqual(content);
});

test('a commit whose reply was lost is asked about, and not repeated', async () => {
  const { push, commit } = await bed('c.csv');
  server.blobs.loseReplyTo(commit);
  expect(await push()).toMatchObject({ type: 'succeeded' });
  expect(sent(commit)).toBe(1);
});

test('a commit whose reply was lost, of a file that the partner took, is in doubt', async () => {
  const { push, path, commit } = await bed('d.csv');
  server.blobs.loseReplyTo(commit);
  server.blobs.onLost(() => rm(join(server.onDisk, 'd.csv')));
  expect(await push()).toMatchObject({
    type: 'ambiguous',
    cause: 'EFFECT_UNKNOWN',
    message: expect.stringContaining(path),
  });
  expect(await push()).toMatchObject({ type: 'ambiguous' });
  expect([sent(commit), await names()]).toEqual([1, []]);
});

test('a name that somebody else took, before or meanwhile, is left alone unless the route says otherwise', async () => {
  const { content, push, blocks } = await bed('e.csv');
  const file = join(server.onDisk, 'e.csv');
  server.blobs.loseReplyTo(blocks);
  await push();
  await writeFile(file, 'theirs');
  expect(await push()).toMatchObject({ type: 'failed', cause: 'PUSH_TARGET_EXISTS' });
  expect(await readFile(file, 'utf8')).toBe('theirs');
  expect(await push({ onExisting: 'overwrite' })).toMatchObject({ type: 'succeeded' });
  expect(await readFile(file)).toEqual(content);
});
