import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { recordsSchema } from './records-schema.ts';

const FIXED = `
format: fixed
recordLength: 20
columns:
  - { name: ticket, from: 1, length: 13, required: true }
  - { name: amount, from: 14, length: 4, type: packed, decimals: 2 }
encoding: cp037
businessKey: [ticket]
onReject: { action: reject-rows, upToShare: 5% }
`;

function faultsOf(yaml: string, changes: object = {}): string[] {
  const result = recordsSchema.safeParse({ ...parseYaml(yaml), ...changes });
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

describe('the records section', () => {
  it('takes what it gave, unchanged', () => {
    const parsed = recordsSchema.parse(parseYaml(FIXED));
    expect(parsed).toMatchObject({
      gzip: 'auto',
      onReject: { action: 'reject-rows', upToShare: 0.05, otherwise: 'reject-file' },
    });
    expect(recordsSchema.parse(parsed)).toEqual(parsed);
    const csv = recordsSchema.parse({
      format: 'csv',
      onReject: 'hold',
      columns: [{ name: 'n', type: 'decimal', min: 0.5, max: 10 }],
    });
    expect(recordsSchema.parse(JSON.parse(JSON.stringify(csv)))).toEqual(csv);
  });

  const columns = (...given: readonly object[]) => ({ columns: given, businessKey: undefined });
  const ticket = { name: 'ticket', from: 1, length: 13 };

  it.each([
    ['an unknown format', { format: 'xml' }, 'format: format must be csv, fixed or ndjson'],
    ['a misspelt option', { recordLenght: 3 }, ': Unrecognized key: "recordLenght"'],
    ['a column beyond the record', columns({ ...ticket, from: 9 }), 'columns.0.length: ends after recordLength'],
    ['a column without a place', columns({ name: 'x' }), 'columns.0.from: is needed in fixed width'],
    ['a name twice', columns(ticket, ticket), 'columns.1.name: is used twice'],
    ['a name that is no word', columns({ ...ticket, name: '__proto__' }), 'columns.0.name: must be 1 to 63 letters'],
    [
      'the name of the reason',
      columns({ ...ticket, name: 'reject_reason' }),
      'columns.0.name: "reject_reason" is the column',
    ],
    [
      'an option of another type',
      columns({ ...ticket, decimals: 2 }),
      'columns.0.decimals: means nothing for the type text',
    ],
    [
      'a pattern that nobody can compile',
      columns({ ...ticket, pattern: '(?=a)' }),
      'columns.0.pattern: the pattern cannot be used',
    ],
    [
      'a date format without a day',
      columns({ ...ticket, type: 'date', format: 'yyyyMM' }),
      'columns.0.format: the date format cannot',
    ],
    [
      'a bound of another type',
      columns({ ...ticket, type: 'integer', min: '2026-01-01' }),
      'columns.0.min: must be a number',
    ],
    ['packed numbers in UTF-16', { encoding: 'utf-16le' }, 'columns.1.type: packed needs an encoding of single bytes'],
    [
      'a packed number too long',
      columns({ ...ticket, length: 20, type: 'packed' }),
      'columns.0.length: a packed column has at most 19',
    ],
    [
      'UTF-8 without line ends',
      { encoding: 'utf-8', lineEnds: false, ...columns(ticket) },
      'lineEnds: without line ends, utf-8 needs',
    ],
    [
      'a trailer without a type field',
      { trailer: { type: 'T', columns: [ticket] } },
      'typeField: header and trailer need a typeField',
    ],
    [
      'a count that is a text',
      { typeField: { from: 20, length: 1, detail: 'D' }, trailer: { type: 'T', columns: [ticket], count: 'ticket' } },
      'trailer.count: must name a number column of the trailer',
    ],
    [
      'two types that are the same',
      { typeField: { from: 20, length: 1, detail: 'D' }, header: { type: 'D' } },
      'typeField: two types are the same',
    ],
    ['a key of no column', { businessKey: ['coupon'] }, 'businessKey.0: "coupon" is not one of the columns'],
    ['a key that may be empty', { businessKey: ['amount'] }, 'businessKey.0: the column "amount" has to be required'],
    [
      'a share beyond all',
      { onReject: { action: 'reject-rows', upToShare: '101%' } },
      'onReject.upToShare: must be a share from 0% to 100%',
    ],
  ])('refuses %s, and says where', (_what, changes, message) => {
    expect(faultsOf(FIXED, changes).join('\n')).toContain(message);
  });

  it('refuses places in CSV, and the same character twice', () => {
    expect(
      faultsOf(
        '{ format: csv, delimiter: "|", quote: "|", columns: [{ name: a, from: 1 }, { name: b, type: packed }] }',
      ),
    ).toEqual([
      'columns.0.from: is for fixed width only',
      'columns.1.type: packed is for fixed width only',
      'quote: delimiter and quote must differ',
    ]);
  });
});
