import { expect, test } from 'vitest';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { parseExactJson } from '#shared/partners/exact-json.ts';
import { endGreedyExpressions } from '#testkit/checks/end-greedy-expressions.ts';
import { checkJsonata } from './jsonata-columns.ts';
import { createJsonataMapper } from './jsonata-mapper.ts';
import { MappingFault } from './map-record.ts';
import type { RecordTree } from './source-record.ts';

const mapper = createJsonataMapper({ cpuMs: 1_000 });
const { signal } = new AbortController();

async function map(columns: Record<string, string>, ...records: RecordTree[]) {
  checkJsonata(columns);
  return await mapper.mapping(columns, { customer: 'acme', signal }).mapAll(records);
}

test('each column is an expression over the record, and one that gives nothing is null', async () => {
  const columns = {
    id: 'Order',
    total: '$number($replace(Total, ",", "."))',
    customer: '{ "name": First & " " & Last }',
    skus: 'lines.sku[]',
    none: 'absent /* no such member */',
  };
  const [one, two] = await map(
    columns,
    { Order: '007', Total: '2,50', First: 'A', Last: 'B', lines: [{ sku: 'x' }, { sku: 'y' }] },
    { Order: '8', Total: '1', First: 'C', Last: 'D', lines: [{ sku: 'z' }] },
  );
  expect(one).toEqual({ id: '007', total: 2.5, customer: { name: 'A B' }, skus: ['x', 'y'], none: null });
  expect(two).toEqual({ id: '8', total: 1, customer: { name: 'C D' }, skus: ['z'], none: null });
});

test('a record that an expression does not fit is a fault without its values, and the others are mapped', async () => {
  const results = await map({ total: '$number(Total)' }, { Total: '1' }, { Total: 'secret' }, { Total: '3' });
  expect(results.map((result) => (result instanceof MappingFault ? result.message : result))).toEqual([
    { total: 1 },
    'JSONata says D3030 of it',
    { total: 3 },
  ]);
});

test('a number with more digits than JavaScript keeps stays as it was written', async () => {
  const record = parseExactJson('{"id":12345678901234567890,"price":1.10,"long":0.1234567890123456789}') as RecordTree;
  const [result] = await map({ id: 'id', price: 'price', long: 'long' }, record);
  expect(result).toEqual({ id: '12345678901234567890', price: 1.1, long: '0.1234567890123456789' });
});

test.each([
  ['loops without end', '($f := function($n) { $f($n + 1) }; $f(0))'],
  ['backtracks without end', '$match(text, /^(a+)+$/)'],
  ['takes any memory', '[1..9999999].{ "a": $string($) }'],
  ['makes much text', '$pad("", 10000000) & $pad("", 10000000)'],
])('an expression that %s ends its file, and no other', async (_what, expression) => {
  const record = { text: `${'a'.repeat(40)}!` };
  const failing = map({ x: expression }, record).then(
    (results) => results.map((result) => (result instanceof MappingFault ? 'rejected' : result)),
    (error: unknown) => (error instanceof FormatFault ? error.code : error),
  );
  const good = map({ x: '$length(text)' }, record);
  expect(['CONVERT_MAPPING', ['rejected']]).toContainEqual(await failing);
  expect(await good).toEqual([{ x: 41 }]);
});

// The others are in `jsonata-mapper.long.test.ts`.
endGreedyExpressions(['uppercase', 'split']);

test('a stopped file is not mapped on', async () => {
  const stopping = new AbortController();
  const endless = { x: '($f := function($n) { $f($n + 1) }; $f(0))' };
  const mapped = createJsonataMapper().mapping(endless, { customer: 'acme', signal: stopping.signal }).mapAll([{}]);
  stopping.abort(new Error('stopped'));
  await expect(mapped).rejects.toThrow('stopped');
});

test.each([
  ['(', 'x: Expected'],
  ['$now()', 'x: $now is not supported'],
  ['a.($f := $random; $f())', 'x: $random is not supported'],
  ['$eval(text)', 'x: $eval is not supported'],
  [`"${'a'.repeat(9_000)}"`, 'longer than'],
  ['1), "y": (2', 'x: '],
])('the expression %s is refused', (expression, message) => {
  expect(() => checkJsonata({ x: expression })).toThrow(message);
});
