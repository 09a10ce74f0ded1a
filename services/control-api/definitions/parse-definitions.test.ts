import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDefinitionParser } from './parse-definitions.ts';

const GOOD = { text: 'kind: tenant\nid: acme\nname: Acme\n', contentType: '' };
const FAULTY = { text: 'kind: tenant\nid: Not An Id\n', contentType: '' };
/** More than a tenth of a second of work. */
const SLOW = { text: 'a: '.repeat(80_000), contentType: '' };
/** A busy machine starts threads late. */
const PATIENT = { deadlineMs: 110_000 };
const caller = { customer: 'acme', signal: new AbortController().signal };

let started = 0;
const count = () => {
  started += 1;
};
beforeAll(() => subscribe('child_process', count));
afterAll(() => void unsubscribe('child_process', count));

test('a child serves one body after the other, whatever they came to', async () => {
  started = 0;
  const parser = createDefinitionParser(PATIENT);
  for (const [body, ok] of [
    [GOOD, true],
    [FAULTY, false],
    [GOOD, true],
  ] as const)
    expect(await parser.parse(body, caller)).toMatchObject({ ok });
  expect(started).toBe(1);
});

test('a child that was ended as nobody waited serves no more, and the next body has another', async () => {
  started = 0;
  const parser = createDefinitionParser(PATIENT);
  expect(await parser.parse(GOOD, caller)).toMatchObject({ ok: true });
  const gone = new AbortController();
  const left = parser.parse(SLOW, { customer: 'acme', signal: gone.signal });
  setImmediate(() => gone.abort(new Error('nobody waits')));
  await expect(left).rejects.toThrow('nobody waits');
  expect(await parser.parse(GOOD, caller)).toMatchObject({ ok: true });
  expect(started).toBe(2);
});

test('two customers have a child each at the same time', async () => {
  started = 0;
  const parser = createDefinitionParser(PATIENT);
  const customers = ['acme', 'globex', 'acme', 'globex'];
  await Promise.all(customers.map((customer) => parser.parse(GOOD, { ...caller, customer })));
  expect(started).toBe(2);
});
