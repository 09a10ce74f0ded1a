import { expect, test } from 'vitest';
import { storableOutcome } from './advance-job.ts';

const circular: Record<string, unknown> = {};
circular.itself = circular;
let deep: unknown = 1;
for (let level = 0; level < 20_000; level += 1) deep = [deep];

test.each([
  ['contains itself', circular],
  ['is nested without end', { deep }],
  ['holds what JSON knows not', { big: 1n }],
  ['is larger than facts are', { text: 'x'.repeat(70_000) }],
])('an output that %s is refused before it reaches a statement', (_name, output) => {
  expect(storableOutcome({ type: 'succeeded', output })).toMatchObject({ ok: false });
});

test('an ordinary output passes as it is', () => {
  const outcome = { type: 'succeeded', output: { rows: 12, checksums: { sha256: 'ab' } } } as const;
  expect(storableOutcome(outcome)).toEqual({ ok: true, outcome });
});

test('texts are cut to a bound', () => {
  const failed = {
    type: 'failed',
    code: 'DELIVERY_ERROR',
    cause: 'c'.repeat(500),
    message: 'm'.repeat(10_000),
  } as const;
  const storable = storableOutcome(failed);
  expect(storable.ok && storable.outcome).toMatchObject({ cause: 'c'.repeat(200), message: 'm'.repeat(2_000) });
});
