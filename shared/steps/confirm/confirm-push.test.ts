/** `confirm` after a push: what it makes of a file that is not there. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { targetsOf } from '#testkit/beds/remote-bed.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { startBlobs } from '#testkit/servers/partner-file-servers.ts';
import { confirmOptions } from './options.ts';
import { confirmStep } from './run.ts';

let bench: StepBench;
let server: Awaited<ReturnType<typeof startBlobs>>;
beforeAll(async () => {
  [bench, server] = await Promise.all([startStepBench(), startBlobs()]);
}, 60_000);
afterAll(async () => {
  await bench.stop();
  await server.stop();
});

async function confirm({ held, fingerprint, isSeen }: { held?: object; fingerprint?: string; isSeen?: boolean } = {}) {
  const object = await bench.land('a.csv', 'content');
  const targets = targetsOf(server);
  const used = await targets.useRemote('partner', async (connection) => connection.fingerprint);
  const shown = used.type === 'used' ? used.result : '';
  return await runStep(bench, {
    ...{ step: confirmStep, kind: confirmOptions, object, targets, held: held as never },
    outputs: {
      push: {
        ...{ remote: 'partner', path: `${server.directory}a.csv`, sizeBytes: 7 },
        ...{ fingerprint: fingerprint ?? shown, isSeen },
      },
    },
  });
}

test('a file that nobody saw is looked for twice, and was picked up only if the push saw it', async () => {
  const first = await confirm();
  expect(first).toMatchObject({ type: 'wait', reason: 'PUSHED_FILE' });
  const held = (first as { output: object }).output;
  expect(await confirm({ held })).toMatchObject({ type: 'succeeded', output: { neverSeen: true } });
  expect(await confirm({ isSeen: true })).toMatchObject({ type: 'succeeded', output: { pickedUp: true } });
  expect(await confirm({ held: { ...held, generation: 0 } })).toMatchObject({ type: 'wait' });

  // The server was only late with it.
  const file = join(server.onDisk, 'a.csv');
  await writeFile(file, 'content');
  expect(await confirm({ held })).toMatchObject({ type: 'succeeded', output: { sizeBytes: 7 } });
  await rm(file);
});

test('a server with another key than the one that took the file cannot say that it was picked up', async () => {
  expect(await confirm({ fingerprint: 'sha256/other' })).toMatchObject({ type: 'retry', cause: 'DESTINATION_GONE' });
});
