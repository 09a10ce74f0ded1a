import { afterAll, beforeAll, expect, test } from 'vitest';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { approveOptions } from './options.ts';
import { approveStep } from './run.ts';

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

async function approve(options: object, request: object = {}) {
  const object = await bench.land('contract.pdf', 'text');
  return await runStep(bench, { step: approveStep, kind: approveOptions, object, options, ...request });
}

const at = (time: string) => ({ now: new Date(`2026-01-02T${time}:00Z`) });

test('a file is held with what is asked, and goes on once it is released', async () => {
  const held = { by: 'legal', question: 'Signed?', heldAt: '2026-01-02T08:00:00.000Z' };
  const outcome = await approve({ by: 'legal', question: 'Signed?' }, at('08:00'));
  expect(outcome).toEqual({ type: 'wait', afterMs: 86_400_000, reason: 'HELD', output: held });
  expect(await approve({}, { isReleased: true })).toEqual({ type: 'succeeded', output: { approved: true } });
});

test('`within` counts from when the file was first held', async () => {
  const options = { within: '2h' };
  const first = await approve(options, at('08:00'));
  expect(first).toMatchObject({ type: 'wait', afterMs: 7_200_000, output: { until: '2026-01-02T10:00:00.000Z' } });
  const held = first.type === 'wait' ? first.output : undefined;
  expect(await approve(options, { ...at('09:30'), held })).toMatchObject({ type: 'wait', afterMs: 1_800_000 });
  expect(await approve(options, { ...at('10:00'), held })).toMatchObject({ type: 'failed', cause: 'APPROVAL_EXPIRED' });
  const releasing = await approve({ ...options, onTimeout: 'release' }, { ...at('10:00'), held });
  expect(releasing).toEqual({ type: 'succeeded', output: { approved: false, expired: true } });
});
