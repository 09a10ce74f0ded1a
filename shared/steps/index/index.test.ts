/** `index`: which words a file is found by. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { indexOptions } from './options.ts';
import { indexStep } from './run.ts';

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

async function index(name: string, body: string | Uint8Array, options: object = {}, request: object = {}) {
  const stored: string[] = [];
  const object = await bench.land(`inbound/${name}`, body);
  const texts = { index: async (text: string) => stored.push(text) };
  const outcome = await runStep(bench, {
    ...{ step: indexStep, kind: indexOptions, object, options, texts },
    ...request,
  });
  return { outcome, text: stored.join() };
}

test('names, facts and the beginning of a text are stored', async () => {
  const outputs = { enrich: { tier: 'gold', score: 7, none: null } };
  const { outcome, text } = await index('Day_07-acme.csv', 'reference\nQX-4711\0\nend', { upTo: 17 }, { outputs });
  expect(outcome).toEqual({ type: 'succeeded', output: { words: 1, hasText: true } });
  for (const word of ['inbound/Day_07-acme.csv', 'Day 07 acme csv', 'gold', '7', 'QX-4711'])
    expect(text).toContain(word);
  for (const word of ['end', 'null', '\0']) expect(text).not.toContain(word);
});

test.each([
  ['utf-8, cut within a character', Buffer.from('größe'), { upTo: 3 }, 'gr'],
  ['utf-16 by its mark', Buffer.from('\ufeffgröße', 'utf16le'), {}, 'größe'],
  ['windows-1252', Buffer.from('gr\xf6\xdfe', 'latin1'), { encoding: 'windows-1252' }, 'größe'],
  ['a page of a mainframe', Buffer.from([0x87, 0x99]), { encoding: 'cp037' }, 'gr'],
])('text in %s', async (_what, bytes, options, expected) => {
  expect((await index('a.txt', bytes, options)).text).toContain(expected);
});

test('of what is not text, of an empty file, and where the route says so, only names and facts are', async () => {
  const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
  for (const [name, body, options] of [
    ['a.png', Buffer.concat([png, Buffer.from('hidden')]), {}],
    ['a.txt', '', {}],
    ['b.txt', 'hidden', { upTo: 0 }],
  ] as const) {
    const { outcome, text } = await index(name, body, options);
    expect(outcome).toMatchObject({ type: 'succeeded', output: { hasText: false } });
    expect(text).not.toContain('hidden');
  }
});

test('a file that is gone fails, and as much text as fits a row may be asked for', async () => {
  const object = await bench.land('inbound/gone.csv', 'x');
  await bench.store.deleteVersion(object);
  expect(await runStep(bench, { step: indexStep, kind: indexOptions, object })).toMatchObject({
    ...{ type: 'failed', code: 'INDEX_ERROR', cause: 'SOURCE_GONE' },
  });
  expect(indexOptions.schema.safeParse({ upTo: '257KiB' }).success).toBe(false);
});
