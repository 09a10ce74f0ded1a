/** `classify`: the content counts, not the name. */
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ZipFile } from 'yazl';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { classifyOptions } from './options.ts';
import { classifyStep } from './run.ts';

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

async function classify(name: string, content: Uint8Array | string, options: object = {}, request: object = {}) {
  const object = await bench.land(name, content);
  return await runStep(bench, { step: classifyStep, kind: classifyOptions, object, options, ...request });
}

async function zip(): Promise<Buffer> {
  const made = new ZipFile();
  made.addBuffer(Buffer.from('x'), 'x.txt');
  made.end();
  return await buffer(made.outputStream);
}

const PDF = '%PDF-1.7\n%âãÏÓ\n1 0 obj\n';

test.each<[string, () => Promise<Uint8Array> | Uint8Array | string, string, boolean]>([
  ['a.csv', () => 'a,b\n1,2\n', 'csv', true],
  ['a.pdf', () => PDF, 'pdf', true],
  ['a.csv', () => PDF, 'pdf', false],
  ['a.zip', zip, 'zip', true],
  ['a.csv', zip, 'zip', false],
  ['a.json', () => '{"a":1}', 'json', true],
  ['a.json', () => 'a,b\n', 'txt', false],
  ['a.jpeg', () => Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'), 'jpg', true],
  ['a.csv', () => Buffer.from('ff00ab00cd01', 'hex'), 'unknown', false],
  ['a.exe', () => Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200)]), 'exe', true],
  ['a.csv', () => Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'csv', true],
  ['a.csv', () => '', 'csv', true],
])('%s is what its content says', async (name, content, type, isAsNamed) => {
  expect(await classify(name, await content())).toMatchObject({ type: 'succeeded', output: { type, isAsNamed } });
});

test('another type, or a name that says another, is quarantined, held or fails, as the route says', async () => {
  const allow = ['csv'];
  const refused = { type: 'failed', code: 'CLASSIFY_ERROR', cause: 'CONTENT_NOT_ALLOWED', output: { type: 'pdf' } };
  expect(await classify('a.csv', 'a,b\n', { allow })).toMatchObject({ type: 'succeeded' });
  expect(await classify('a.csv', PDF, { allow: ['csv', 'pdf'] })).toMatchObject(refused);
  expect(await classify('a.pdf', PDF, { allow })).toMatchObject(refused);
  const failing = { allow, onOther: 'fail' };
  expect(await classify('a.pdf', PDF, failing)).toMatchObject({ type: 'failed', cause: 'CONTENT_TYPE' });
  const holding = { allow, onOther: 'hold' };
  expect(await classify('a.pdf', PDF, holding)).toMatchObject({
    type: 'wait',
    reason: 'HELD',
    output: { type: 'pdf' },
  });
  const released = { type: 'succeeded', output: { type: 'pdf', released: true } };
  expect(await classify('a.pdf', PDF, holding, { isReleased: true })).toMatchObject(released);
});

test('sensitive data is counted in the text that is looked at, and its values are nowhere', async () => {
  const text = `card,iban\n4111111111111111,DE89370400440532013000\n${'x'.repeat(3_000_000)}\n4111111111111111\n`;
  const sensitive = ['card', 'iban', 'us-ssn'];
  const all = await classify('a.csv', text, { sensitive });
  expect(all).toMatchObject({ type: 'succeeded', output: { sensitive: { card: 2, iban: 1, 'us-ssn': 0 } } });
  const first = await classify('a.csv', text, { sensitive, upTo: '1MB' });
  expect(first).toMatchObject({ output: { sensitive: { card: 1, iban: 1 } } });
  const refused = await classify('a.csv', text, { sensitive, onSensitive: 'quarantine' });
  expect(refused).toMatchObject({ type: 'failed', cause: 'SENSITIVE_DATA' });
  expect(JSON.stringify([all, first, refused])).not.toMatch(/4111|DE89/);
  expect(await classify('a.csv', text, { sensitive, onSensitive: 'hold' })).toMatchObject({ reason: 'HELD' });
  const wide = Buffer.from('\ufeff4111111111111111\n', 'utf16le');
  expect(await classify('a.csv', wide, { sensitive })).toMatchObject({ output: { sensitive: { card: 1 } } });
});
