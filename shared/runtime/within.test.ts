import { expect, test } from 'vitest';
import { endsWithin, unlessAborted, within } from './within.ts';

const never = new Promise<never>(() => {});

test('gives what came in time, and its failure', async () => {
  expect(await within(Promise.resolve('answer'), 60_000, () => 'late')).toBe('answer');
  await expect(within(Promise.reject(new Error('refused')), 60_000, () => 'late')).rejects.toThrow('refused');
});

test('gives or throws what stands for an answer that did not come', async () => {
  expect(await within(never, 1, () => 'late')).toBe('late');
  const fail = () => {
    throw new Error('too late');
  };
  await expect(within(never, 1, fail)).rejects.toThrow('too late');
});

test('says whether something ended, and ignores a failure that comes later', async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  expect(await endsWithin(promise, 1)).toBe(false);
  reject(new Error('nobody hears this'));
  await new Promise(setImmediate);
  expect(await endsWithin(Promise.resolve(), 60_000)).toBe(true);
});

test('gives what came before the abort, and the reason of one before or after', async () => {
  const reason = new Error('nobody waits');
  expect(await unlessAborted(Promise.resolve('answer'), new AbortController().signal)).toBe('answer');
  await expect(unlessAborted(never, AbortSignal.abort(reason))).rejects.toBe(reason);
  const controller = new AbortController();
  const waiting = unlessAborted(never, controller.signal);
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});
