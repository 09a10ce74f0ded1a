/** `confirm` that waits for the partner's acknowledgement. */
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

test('waits for it without an attempt, and for a given time in each generation', async () => {
  const object = await bench.land('a.csv', 'content');
  const acknowledgement = { from: 'partner', path: `${server.directory}{{ name }}.ack`, within: '1h' };
  const confirm = (held?: object, from = server.directory) =>
    runStep(bench, {
      ...{ step: confirmStep, kind: confirmOptions, object, targets: targetsOf(server), held: held as never },
      options: { acknowledgement: { ...acknowledgement, path: `${from}{{ name }}.ack` } },
      outputs: { post: { reference: '4711' } },
    });
  const waiting = await confirm();
  expect(waiting).toMatchObject({
    type: 'wait',
    reason: 'ACKNOWLEDGEMENT',
    output: { confirmed: { confirmedBy: 'post' } },
  });
  const waited = (waiting as { output: object }).output;
  const expired = { ...waited, awaitedSince: '2020-01-01T00:00:00.000Z' };
  expect(await confirm(expired)).toMatchObject({ type: 'failed', cause: 'ACKNOWLEDGEMENT_MISSING' });
  expect(await confirm({ ...expired, generation: 0 })).toMatchObject({ type: 'wait' });
  expect(await confirm(undefined, '/files/elsewhere/')).toMatchObject({
    type: 'failed',
    cause: 'REMOTE_PLACE_REFUSED',
  });

  const file = join(server.onDisk, 'a.csv.ack');
  await writeFile(file, 'OK');
  // Late, and there: it counts.
  expect(await confirm(expired)).toMatchObject({
    type: 'succeeded',
    output: { confirmedBy: 'post', acknowledgement: { from: 'partner', sizeBytes: 2 } },
  });
  await rm(file);
});
