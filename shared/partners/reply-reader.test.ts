import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { readReplyValues } from './reply-reader.ts';

const { operations } = examplePartner({
  operations: {
    one: {
      method: 'GET',
      path: '/one',
      idempotent: true,
      judge: [
        { when: { body: { 'state.name': 'OK' } }, is: 'business-failure', codeFrom: 'code', messageFrom: 'words' },
      ],
      output: { id: 'ids.1' },
      referenceFrom: 'number',
    },
  },
});
const { one } = operations;
if (one === undefined) throw new Error('there is one');

const read = (body: string) => readReplyValues({ headers: {}, body: Buffer.from(body) }, one, 'acme');
const SAID = '"state":{"name":"OK"},"code":7,"words":null,"ids":["a","b"],"number":1.10,"__proto__":{"x":1}';

describe.each([
  ['a small reply', ''],
  ['a long reply', `,"more":[${'1.0,'.repeat(100_000)}1.0]`],
])('%s', (_name, more) => {
  test('is read at the paths that an operation asks for, numbers as they were written', async () => {
    const values = await read(`{${SAID}${more}}`);
    const found = ['state.name', 'code', 'words', 'ids.1', 'number', 'more', 'x'].map((path) => values?.(path));
    expect(found.slice(0, 4)).toEqual(['OK', 7, null, 'b']);
    expect(String(found[4])).toBe('1.10');
    expect(JSON.stringify(found[4])).toBe('1.10');
    expect(found[6]).toBeUndefined();
  });

  test('that is not JSON is none', async () => {
    expect(await read(`{${SAID}${more}`)).toBeUndefined();
  });
});

test('a long reply leaves the event loop to others meanwhile', async () => {
  let turns = 0;
  const reading = read(`[${'1.0,'.repeat(100_000)}1.0]`).then(() => 'read');
  while ((await Promise.race([reading, turn('turned')])) === 'turned') turns += 1;
  expect(turns).toBeGreaterThan(2);
});

test('long replies side by side are told apart', async () => {
  const texts = Array.from({ length: 10 }, (_, at) => `{"ids":[0,${at}],"more":"${'x'.repeat(40_000)}"}`);
  const read10 = await Promise.all(texts.map(read));
  expect(read10.map((values) => values?.('ids.1'))).toEqual(texts.map((_, at) => at));
});
