/** `convert` as a step: the new object, the rejected records, and what the route says of them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import { runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { convertOptions } from './options.ts';
import { convertStep } from './run.ts';

let bench: StepBench;
beforeAll(async () => {
  bench = await startStepBench();
});
afterAll(() => bench.stop());

async function convert(name: string, body: Uint8Array | string, options: object, more: object = {}) {
  const object = await bench.land(`inbound/${name}`, body);
  return await runStep(bench, { step: convertStep, kind: convertOptions, object, options, ...more });
}

const textOf = async (place: unknown) => (await bench.read(place as ObjectLocation)).toString();
const ROWS = { from: { format: 'csv', delimiter: ';' }, to: 'ndjson' };
const THREE = 'id;name\n1;a\n2\n3;c\n';

test('a file continues as the converted object, with its counts, and rejected records go back as they came', async () => {
  const outcome = await convert('day.csv', THREE, { ...ROWS, onReject: 'reject-rows' });
  expect(outcome).toMatchObject({
    type: 'succeeded',
    object: { bucket: 'test-staging', key: 'acme/job-1/1/day.ndjson' },
    output: { recordsIn: 3, recordsOut: 2, recordsRejected: 1, firstRejected: [{ line: 3, code: 'CSV_COLUMN_COUNT' }] },
  });
  if (outcome.type !== 'succeeded') return;
  expect(await textOf(outcome.object)).toBe('{"id":"1","name":"a"}\n{"id":"3","name":"c"}\n');
  expect(outcome.output?.rejects).toEqual({
    bucket: 'test-outbound',
    key: 'acme/rejects/inbound/day.csv',
    versionId: expect.any(String),
  });
  const rejects = await textOf(outcome.output?.rejects);
  expect(rejects).toMatch(/^id;name;reject_reason\n2;"Line 3: CSV_COLUMN_COUNT: [^"]+"\n$/);
  const again = await convert('day.csv', THREE, { ...ROWS, onReject: 'reject-rows' }, { isFirstTry: false });
  expect(again).toMatchObject({ output: { sha256: outcome.output?.sha256 } });
});

test('a file with rejected records is refused unless its route takes it, and leaves no object', async () => {
  const before = (await bench.store.listVersions({ bucket: 'test-staging' })).items.length;
  const refused = await convert('refused.csv', THREE, ROWS);
  expect(refused).toMatchObject({ type: 'failed', code: 'CONVERT_ERROR', cause: 'CSV_COLUMN_COUNT' });
  expect(refused).toMatchObject({ message: expect.stringContaining('1 of 3 records'), output: { recordsRejected: 1 } });
  expect(await textOf({ bucket: 'test-outbound', key: 'acme/rejects/inbound/refused.csv' })).toContain('2;"Line 3');
  const held = await convert('held.csv', THREE, { ...ROWS, onReject: 'hold' });
  expect(held).toMatchObject({ type: 'wait', reason: 'HELD', output: { recordsIn: 3 } });
  expect((await bench.store.listVersions({ bucket: 'test-staging' })).items.length).toBe(before);
  expect(await bench.openUploads()).toBe(0);
  const released = await convert('held.csv', THREE, { ...ROWS, onReject: 'hold' }, { isReleased: true });
  expect(released).toMatchObject({ type: 'succeeded', output: { recordsOut: 2 } });
});

test('a file that cannot be read on is refused, however much of it was good', async () => {
  const rows = `${`1;${'a'.repeat(996)}\n`.repeat(8_000)}2;"never closed\n`;
  const outcome = await convert('open.csv', `id;name\n${rows}`, { ...ROWS, onReject: 'reject-rows' });
  expect(outcome).toMatchObject({ type: 'failed', code: 'CONVERT_ERROR', cause: 'CSV_QUOTE' });
  expect(await bench.openUploads()).toBe(0);
});

test('XML and JSON become each other, and what is rejected of them comes line by line', async () => {
  const xml = '<orders><order id="1"><sku>a</sku></order><order id="2"><x y="&#169;"/></order></orders>';
  const outcome = await convert('orders.xml', xml, {
    from: { format: 'xml', record: 'order' },
    to: { format: 'csv', columns: ['@id', 'sku'] },
    onReject: 'reject-rows',
  });
  expect(outcome).toMatchObject({ type: 'succeeded', object: { key: 'acme/job-1/1/orders.csv' } });
  expect(outcome.type === 'succeeded' && (await textOf(outcome.object))).toBe('@id,sku\n1,a\n');
  const rejects = await textOf({ bucket: 'test-outbound', key: 'acme/rejects/inbound/orders.xml.ndjson' });
  expect(JSON.parse(rejects)).toMatchObject({
    '@id': '2',
    reject_reason: expect.stringContaining('CONVERT_UNWRITABLE'),
  });
});

test('records are mapped by JSONata too, and those that do not fit are rejected', async () => {
  const outcome = await convert('orders.csv', 'id;total\n1;2,5\n2;x\n3;4\n', {
    from: { format: 'csv', delimiter: ';' },
    to: 'csv',
    jsonata: { order: 'id', cents: '100 * $number($replace(total, ",", "."))' },
    onReject: 'reject-rows',
  });
  expect(outcome).toMatchObject({
    output: { recordsIn: 3, recordsOut: 2, firstRejected: [{ line: 3, code: 'CONVERT_MAPPING' }] },
  });
  expect(outcome.type === 'succeeded' && (await textOf(outcome.object))).toBe('order,cents\n1,250\n3,400\n');
});

test('a text changes its encoding and keeps its name', async () => {
  const options = { from: { format: 'text', encoding: 'windows-1252' }, to: 'text' };
  const outcome = await convert('note.txt', Buffer.from('5 \x80\r\n', 'latin1'), options);
  expect(outcome).toMatchObject({ type: 'succeeded', object: { key: 'acme/job-1/1/note.txt' } });
  expect(outcome.type === 'succeeded' && (await textOf(outcome.object))).toBe('5 €\r\n');
});

test('a source that is gone fails, and one that was stopped is tried again', async () => {
  const object = await bench.land('inbound/gone.csv', THREE);
  const request = { step: convertStep, kind: convertOptions, object, options: ROWS };
  expect(await runStep(bench, { ...request, signal: AbortSignal.abort() })).toMatchObject({ type: 'retry' });
  await bench.store.deleteVersion(object);
  expect(await runStep(bench, request)).toMatchObject({ type: 'failed', code: 'CONVERT_ERROR', cause: 'SOURCE_GONE' });
});

test.each([
  [{ from: 'csv', to: 'text' }, 'text is converted to text'],
  [{ from: 'ndjson', to: 'csv' }, 'name the columns'],
  [{ from: 'csv', to: 'json', map: { a: '{{ file.name }}' } }, 'a mapping reads record'],
  [{ from: 'csv', to: 'json', map: { a: '{{ record.a | md5 }}' } }, 'undefined filter'],
  [{ from: 'csv', to: { format: 'csv', columns: ['a'] }, map: { a: '{{ record.a }}' } }, 'are those of `map`'],
  [{ from: 'csv', to: 'json', jsonata: { a: '$sum(' } }, 'the mapping cannot be used: a:'],
  [{ from: 'csv', to: 'json', map: { a: '{{ record.a }}' }, jsonata: { a: 'a' } }, 'give `map` or `jsonata`'],
  [{ from: 'excel', to: 'json' }, 'format must be csv'],
  [{ from: { format: 'xml', record: 'a b' }, to: 'json' }, 'name of an XML element'],
  [{ from: { format: 'json', encoding: 'cp1141' }, to: 'ndjson' }, 'EBCDIC'],
])('%j is refused: %s', (options, message) => {
  const parsed = convertOptions.schema.safeParse(options);
  expect(parsed.error?.issues.map((issue) => issue.message).join()).toContain(message);
});
