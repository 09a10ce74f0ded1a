import { describe, expect, it } from 'vitest';
import { Coalescer } from '#shared/queue/coalescer.ts';

function recording(
  options: {
    concurrency?: number;
    lingerMs?: number | ((pending: number) => number);
    maxBytes?: number;
    maxWaiting?: number;
  } = {},
) {
  const batches: number[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const coalescer = new Coalescer<number, number>({
    lingerMs: 5,
    concurrency: 1,
    sizeOf: (n) => n,
    ...options,
    run: async (entries) => {
      batches.push([...entries]);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
      return entries.map((n) => n * 10);
    },
  });
  return { coalescer, batches, gates };
}

describe('a coalescer', () => {
  it('answers every entry with its own result', async () => {
    const { coalescer, gates } = recording();
    const results = Promise.all([1, 2, 3].map((n) => coalescer.add(n)));
    const flushed = coalescer.flush();
    gates[0]?.resolve();
    expect(await results).toEqual([10, 20, 30]);
    await flushed;
  });

  it('waits as long as the number of entries without an answer makes it', async () => {
    const { coalescer, batches, gates } = recording({
      concurrency: 2,
      lingerMs: (pending) => (pending === 1 ? 0 : 3_600_000),
    });
    const results = [coalescer.add(1)];
    await expect.poll(() => batches).toEqual([[1]]);
    results.push(coalescer.add(2));
    await new Promise(setImmediate);
    expect(batches).toEqual([[1]]);
    const flushed = coalescer.flush();
    for (const gate of gates) gate.resolve();
    expect(await Promise.all(results)).toEqual([10, 20]);
    await flushed;
  });

  it('sends a full request at once and fills up the next while one is under way', async () => {
    const { coalescer, batches, gates } = recording({ lingerMs: 10_000 });
    const results = Array.from({ length: 25 }, (_, n) => coalescer.add(n));
    expect(batches.map((batch) => batch.length)).toEqual([10]);
    gates[0]?.resolve();
    await results[0];
    await Promise.resolve();
    expect(batches.map((batch) => batch.length)).toEqual([10, 10]);
    const flushed = coalescer.flush();
    gates[1]?.resolve();
    await results[19];
    await Promise.resolve();
    gates[2]?.resolve();
    await flushed;
    expect(batches.map((batch) => batch.length)).toEqual([10, 10, 5]);
    expect(batches.flat()).toEqual(Array.from({ length: 25 }, (_, n) => n));
  });

  it('keeps a request under its size', async () => {
    const { coalescer, batches, gates } = recording({ maxBytes: 100, concurrency: 5, lingerMs: 1 });
    const results = [60, 60, 30, 200, 1].map((n) => coalescer.add(n));
    const flushed = coalescer.flush();
    expect(batches).toEqual([[60], [60, 30], [200], [1]]);
    for (const gate of gates) gate.resolve();
    await Promise.all(results);
    await flushed;
    expect(coalescer.pending).toBe(0);
  });

  it('rejects the entries of a failed request and goes on with the next', async () => {
    const { coalescer, gates } = recording({ lingerMs: 1 });
    const failed = coalescer.add(1);
    const flushed = coalescer.flush();
    gates[0]?.reject(new Error('lost'));
    await expect(failed).rejects.toThrow('lost');
    await flushed;
    const next = coalescer.add(2);
    const flushedAgain = coalescer.flush();
    gates[1]?.resolve();
    expect(await next).toBe(20);
    await flushedAgain;
  });

  it('refuses an entry past the bound of what may wait, and answers the others', async () => {
    const { coalescer, gates } = recording({ maxWaiting: 1 });
    const first = coalescer.add(1);
    await expect(coalescer.add(2)).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
    const flushed = coalescer.flush();
    gates[0]?.resolve();
    expect(await first).toBe(10);
    await flushed;
    const next = coalescer.add(3);
    const flushedAgain = coalescer.flush();
    gates[1]?.resolve();
    expect(await next).toBe(30);
    await flushedAgain;
  });

  it('holds no place for the entries of a request that failed', async () => {
    const run = () => Promise.reject(new Error('the server is away'));
    const coalescer = new Coalescer<number, number>({ lingerMs: 1, maxWaiting: 1, run });
    for (const n of [1, 2]) await expect(coalescer.add(n)).rejects.toThrow('the server is away');
    expect(coalescer.pending).toBe(0);
  });
});
