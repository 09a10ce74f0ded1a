import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ObjectWriter } from './object-writer.ts';
import { createUpload } from './upload.ts';

/** An object store in memory. */
function createRecorder(): ObjectWriter & { content(): string; isAbandoned(): boolean } {
  const chunks: Buffer[] = [];
  let isAbandoned = false;
  return {
    append: async (chunk) => void chunks.push(chunk),
    finish: async () => ({ sizeBytes: Buffer.concat(chunks).length, etag: 'e' }),
    abandon: async () => {
      isAbandoned = true;
    },
    content: () => Buffer.concat(chunks).toString(),
    isAbandoned: () => isAbandoned,
  };
}

describe('an upload', () => {
  it('puts pipelined writes in order, however they overtake each other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .array(fc.integer({ min: 1, max: 9 }), { maxLength: 200 })
          .chain((sizes) =>
            fc.tuple(fc.constant(sizes), fc.shuffledSubarray([...sizes.keys()], { minLength: sizes.length })),
          ),
        async ([sizes, order]) => {
          const total = sizes.reduce((sum, size) => sum + size, 0);
          const content = Buffer.from(Array.from({ length: total }, (_, index) => 97 + (index % 26)));
          const starts = sizes.map((_, index) => sizes.slice(0, index).reduce((sum, size) => sum + size, 0));
          const recorder = createRecorder();
          const upload = createUpload(recorder);
          const write = (i: number) => upload.write(starts[i]!, content.subarray(starts[i]!, starts[i]! + sizes[i]!));
          await Promise.all(order.map(write));
          await upload.complete();
          expect(recorder.content()).toBe(content.toString());
        },
      ),
      { numRuns: 50 },
    );
  });

  it('refuses to write over what was sent', async () => {
    const upload = createUpload(createRecorder());
    await upload.write(0, Buffer.from('abc'));
    await expect(upload.write(1, Buffer.from('x'))).rejects.toMatchObject({ code: 'PARTIAL_UPLOAD' });
    await expect(upload.write(3, Buffer.from('d'))).rejects.toMatchObject({ code: 'PARTIAL_UPLOAD' });
    await expect(upload.complete()).rejects.toMatchObject({ code: 'PARTIAL_UPLOAD' });
  });

  it('does not end whole with a gap in it', async () => {
    const recorder = createRecorder();
    const upload = createUpload(recorder);
    await upload.write(0, Buffer.from('abc'));
    await upload.write(10, Buffer.from('x'));
    await expect(upload.complete()).rejects.toMatchObject({ code: 'PARTIAL_UPLOAD' });
    expect(await upload.cutOff()).toMatchObject({ sizeBytes: 3 });
    expect(recorder.content()).toBe('abc');
  });

  it('holds a bounded number of bytes for a gap that is never filled', async () => {
    const upload = createUpload(createRecorder());
    const block = Buffer.alloc(1_024 * 1_024);
    let taken = 0;
    await expect(async () => {
      for (; taken < 100; taken += 1) await upload.write((taken + 1) * block.length, block);
    }).rejects.toMatchObject({ code: 'PARTIAL_UPLOAD' });
    expect(taken).toBeLessThanOrEqual(16);
  });

  it('leaves nothing behind when the store fails', async () => {
    const recorder = createRecorder();
    const upload = createUpload({ ...recorder, append: () => Promise.reject(new Error('the store is down')) });
    await expect(upload.write(0, Buffer.from('abc'))).rejects.toThrow('the store is down');
    expect(await upload.cutOff()).toBeUndefined();
    expect(recorder.isAbandoned()).toBe(true);
  });

  it('does not store a second, empty object when the last request to the store fails', async () => {
    const recorder = createRecorder();
    let finishes = 0;
    const upload = createUpload({
      ...recorder,
      finish: () => {
        finishes += 1;
        return Promise.reject(new Error('the store is down'));
      },
    });
    await upload.write(0, Buffer.from('abc'));
    await expect(upload.complete()).rejects.toThrow('the store is down');
    expect(await upload.cutOff()).toBeUndefined();
    expect(finishes).toBe(1);
  });
});
