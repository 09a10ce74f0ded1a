/** Conversions: what comes in goes out or is rejected, and comes back as it was. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { encodingCodec } from '#shared/formats/records/record-encoding.ts';
import type { RejectedRecord } from '#shared/formats/records/record-item.ts';
import { type Conversion, type ConversionCounts, convertRecords, type SourceForm } from './convert-records.ts';
import { convertText } from './convert-text.ts';
import { compileMapping } from './map-record.ts';

const MAX = { maxRecordBytes: 1_048_576 };
const CSV = { format: 'csv', delimiter: ',', quote: '"', encoding: 'utf-8', ...MAX } as const;
const TO_CSV = { ...CSV, header: true, unknown: 'reject', lineEnd: '\n' } as const;
const SOURCES = {
  csv: CSV,
  ndjson: { format: 'ndjson', encoding: 'utf-8', ...MAX },
  json: { format: 'json', encoding: 'utf-8', ...MAX },
  xml: { format: 'xml', record: 'record', ...MAX },
} as const satisfies Record<string, SourceForm>;
const TARGETS = {
  csv: TO_CSV,
  ndjson: { format: 'ndjson', encoding: 'utf-8' },
  json: { format: 'json', encoding: 'utf-8' },
  xml: { format: 'xml', root: 'records', record: 'record', declared: 'UTF-8', encoding: 'utf-8' },
} as const satisfies Record<string, Conversion['to']>;
type Format = keyof typeof SOURCES;
const FORMATS = Object.keys(SOURCES) as Format[];

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function convert(input: string | Buffer, conversion: Conversion, pieceBytes = 1_000_000) {
  const counts: ConversionCounts = { recordsIn: 0, recordsOut: 0, recordsRejected: 0 };
  const rejected: RejectedRecord[] = [];
  const out: Buffer[] = [];
  const body = convertRecords(cut(Buffer.from(input), pieceBytes), conversion, {
    counts,
    reject: async (items) => void rejected.push(...items.filter((item) => item.type === 'rejected')),
    judge: () => {},
  });
  for await (const piece of body) out.push(piece);
  return { bytes: Buffer.concat(out), text: Buffer.concat(out).toString(), counts, rejected };
}

const between = (from: Format, to: Format, more: Partial<Conversion> = {}): Conversion => ({
  from: SOURCES[from],
  to: TARGETS[to],
  ...more,
});

const faultOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  await work.then(
    () => undefined,
    (error: unknown) => (error instanceof FormatFault ? error.code : String(error)),
  );

const ORDERS = 'id,name,total\n007,"a, ""b""",1.10\n8,"two\nlines",\n';
const TREES = [
  { id: '007', name: 'a, "b"', total: '1.10' },
  { id: '8', name: 'two\nlines', total: '' },
];

test('a CSV becomes each other format, and comes back as it was', async () => {
  const lines = TREES.map((tree) => JSON.stringify(tree));
  expect((await convert(ORDERS, between('csv', 'ndjson'))).text).toBe(`${lines.join('\n')}\n`);
  expect((await convert(ORDERS, between('csv', 'json'))).text).toBe(`[\n${lines.join(',\n')}\n]\n`);
  const xml = (await convert(ORDERS, between('csv', 'xml'))).text;
  expect(xml).toContain('<record><id>007</id><name>a, "b"</name><total>1.10</total></record>');
  for (const format of ['ndjson', 'json', 'xml'] as const) {
    const made = await convert(ORDERS, between('csv', format));
    const back = await convert(made.bytes, between(format, 'csv', { columns: ['id', 'name', 'total'] }));
    expect(back.text).toBe(ORDERS);
  }
});

test('numbers keep their digits, and XML its attributes, lists and nested elements', async () => {
  const source = '{"a":12345678901234567890,"b":1.10,"c":[1,{"d":null}],"e":{"f":true}}\n';
  expect((await convert(source, between('ndjson', 'ndjson'))).text).toBe(source);
  const xml = `<?xml version="1.0"?><list><order id="7"><line>a</line><line sku="x">b &amp; c</line><note/></order></list>`;
  const made = await convert(xml, { from: { ...SOURCES.xml, record: 'order' }, to: TARGETS.ndjson });
  const tree = { '@id': '7', line: ['a', { '@sku': 'x', '#text': 'b & c' }], note: '' };
  expect(JSON.parse(made.text)).toEqual(tree);
  const back = await convert(made.bytes, {
    from: SOURCES.ndjson,
    to: { ...TARGETS.xml, root: 'list', record: 'order' },
  });
  const again = await convert(back.bytes, { from: { ...SOURCES.xml, record: 'order' }, to: TARGETS.ndjson });
  expect(JSON.parse(again.text)).toEqual(tree);
});

test('a mapping renames, joins, nests, and makes numbers and truths of texts', async () => {
  const mapping = compileMapping({
    key: '{{ record.id }}',
    label: '{{ record.id }}: {{ record.name | upcase }}',
    amount: '{{ record.total | number }}',
    open: '{{ record.id | replace: "007", "yes" | replace: "8", "no" | boolean }}',
    source: { system: 'erp', tags: ['{{ record.id }}', 1, null] },
  });
  const made = await convert('id,name,total\n007,a,1.10\n8,b,\n9,c,x\n', between('csv', 'ndjson', { mapping }));
  expect(made.text.trim().split('\n')).toEqual([
    '{"key":"007","label":"007: A","amount":1.10,"open":true,"source":{"system":"erp","tags":["007",1,null]}}',
    '{"key":"8","label":"8: B","amount":null,"open":false,"source":{"system":"erp","tags":["8",1,null]}}',
  ]);
  expect(made.rejected).toMatchObject([{ line: 4, code: 'CONVERT_MAPPING' }]);
  expect(await faultOf(convert('id,nom\n1,2\n', between('csv', 'ndjson', { mapping })))).toBe('CSV_HEADER_MISMATCH');
  expect(() => compileMapping({ a: '{{ file.name }}' })).toThrow('reads record');
});

describe('rejected are', () => {
  it.each<[string, string, Conversion, string]>([
    ['a row of another width', 'a,b\n1\n2,3\n', between('csv', 'json'), 'CSV_COLUMN_COUNT'],
    ['a line that is not JSON', '{"a":1\n{"a":2}\n', between('ndjson', 'json'), 'JSON_TRUNCATED'],
    ['a line that has a key twice', '{"a":1,"a":2}\n{"a":2}\n', between('ndjson', 'json'), 'JSON_DUPLICATE_KEY'],
    ['what is not an object', '[1,\n{"a":2}]', between('json', 'ndjson'), 'JSON_NOT_OBJECT'],
    ['bytes of another encoding', '{"a":"\xff"}\n{"a":2}\n', between('ndjson', 'json'), 'JSON_ENCODING'],
    ['a list in a cell', '{"a":[1]}\n{"a":2}\n', between('ndjson', 'csv', { columns: ['a'] }), 'CONVERT_UNWRITABLE'],
    ['an unknown column', '{"b":1}\n{"a":2}\n', between('ndjson', 'csv', { columns: ['a'] }), 'CONVERT_UNWRITABLE'],
    ['a name that XML cannot have', '{"a b":1}\n{"a":2}\n', between('ndjson', 'xml'), 'CONVERT_UNWRITABLE'],
    ['a control character', '{"a":"\\u0001"}\n{"a":2}\n', between('ndjson', 'xml'), 'CONVERT_UNWRITABLE'],
    [
      'a character that the encoding does not have',
      'a\n日本\n2\n',
      { from: CSV, to: { ...TO_CSV, encoding: 'windows-1252' } },
      'CONVERT_UNWRITABLE',
    ],
  ])('%s, alone', async (_what, input, conversion, code) => {
    const { counts, rejected } = await convert(
      Buffer.from(input, input.includes('\xff') ? 'latin1' : 'utf8'),
      conversion,
    );
    expect(counts).toEqual({ recordsIn: 2, recordsOut: 1, recordsRejected: 1 });
    expect(rejected).toMatchObject([{ code }]);
    expect(rejected[0]?.raw.length).toBeGreaterThan(0);
  });
});

describe('refused as a whole is', () => {
  it.each<[string, string, Conversion, string]>([
    ['a document without its list', '{"data":{"rows":[]}}', between('json', 'ndjson'), 'JSON_NO_RECORDS'],
    ['a list that is cut off', '[{"a":1},{"a":', between('json', 'ndjson'), 'JSON_TRUNCATED'],
    ['a document that goes on', '[{"a":1}] [', between('json', 'ndjson'), 'JSON_SYNTAX'],
    ['a comma too many', '[{"a":1},]', between('json', 'ndjson'), 'JSON_SYNTAX'],
    ['XML with a DOCTYPE', '<!DOCTYPE a><a><record/></a>', between('xml', 'json'), 'XML_SYNTAX'],
    ['XML that is not well-formed', '<a><record></a>', between('xml', 'json'), 'XML_SYNTAX'],
    ['XML with an entity', '<a><record>&x;</record></a>', between('xml', 'json'), 'XML_SYNTAX'],
    ['XML without the element', '<a><row/></a>', between('xml', 'json'), 'XML_NO_RECORDS'],
    ['XML that is too deep', `${'<a>'.repeat(70)}`, between('xml', 'json'), 'XML_DEPTH'],
    ['a header that XML cannot have', 'a b\n1\n', between('csv', 'xml'), 'CONVERT_UNWRITABLE'],
    ['nothing, as XML', '', between('xml', 'json'), 'XML_SYNTAX'],
    [
      'a record of XML without an end',
      `<a><record>${'x'.repeat(3_000)}`,
      { from: { ...SOURCES.xml, maxRecordBytes: 1_000 }, to: TARGETS.json },
      'XML_RECORD_TOO_LONG',
    ],
    [
      'a header of long names over rows of nothing',
      `${'n'.repeat(50_000)},b\n${'1,\n'.repeat(5_000)}`,
      between('csv', 'json'),
      'ARCHIVE_BOMB',
    ],
  ])('%s', async (_what, input, conversion, code) => {
    expect(await faultOf(convert(input, conversion))).toBe(code);
  });
});

test('a list deep in a document is found, and what is around it is passed over', async () => {
  const text =
    '{"meta":{"items":[[9]],"s":"[\\"{"},"data":{"x":1,"items":[{"a":"]},"},\n{"a":"\\\\"}],"y":[]},"items":[1]}';
  for (const pieceBytes of [1, 2, 7, 1_000]) {
    const form = { ...SOURCES.json, records: 'data.items' };
    const made = await convert(text, { from: form, to: TARGETS.ndjson }, pieceBytes);
    expect(made.text).toBe('{"a":"]},"}\n{"a":"\\\\"}\n');
  }
});

test('an empty file of records stays one', async () => {
  expect((await convert('', between('csv', 'json'))).text).toBe('[]\n');
  expect((await convert('a,b\n', between('csv', 'csv'))).text).toBe('a,b\n');
  expect((await convert('[]', between('json', 'xml'))).text).toContain('<records>\n</records>');
  expect((await convert('<a/>', between('xml', 'ndjson'))).text).toBe('');
});

test('a header is quoted where it would be read as something else', async () => {
  const made = await convert('{"sep=;":1}\n', between('ndjson', 'csv', { columns: ['sep=;'] }));
  expect(made.text).toBe('"sep=;"\n1\n');
});

test('XML is read in the encoding that it declares', async () => {
  const xml = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a><record>ä</record></a>', 'latin1');
  expect((await convert(xml, between('xml', 'ndjson'))).text).toBe('{"#text":"ä"}\n');
});

/** Texts that formats trip over, among others. */
const cell = fc.oneof(
  fc.constant(''),
  fc.constantFrom('', ' ', '\n', '\r\n', ',', '"', '""', 'sep=,', '\u001a', '\ufeff', '0', 'null', '<&>', ']]>', '#'),
  fc.string({ unit: fc.constantFrom(...'ab,"\n\r \t<>&;\'{}[]:\\é€😀\u0085\u2028') }),
);
const table = fc.array(fc.tuple(cell, cell), { maxLength: 12 });

test('whatever the values, records come back from each format as they were', async () => {
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.constantFrom(...FORMATS),
      fc.integer({ min: 1, max: 50 }),
      async (rows, via, pieceBytes) => {
        const trees = rows.map(([a, b]) => ({ a, b }));
        const source = trees.map((tree) => `${JSON.stringify(tree)}\n`).join('');
        const columns = ['a', 'b'];
        const there = await convert(source, between('ndjson', via, { ...(via === 'csv' && { columns }) }), pieceBytes);
        const back = await convert(there.bytes, between(via, 'ndjson'), pieceBytes);
        const written = rows.length - there.rejected.length;
        expect(there.counts).toEqual({
          recordsIn: rows.length,
          recordsOut: written,
          recordsRejected: there.rejected.length,
        });
        // XML cannot say some control characters; of the rest all come back.
        const isSayable = (tree: object) =>
          via !== 'xml' || !Object.values(tree).some((text) => text.includes('\u001a'));
        const expected = trees.filter(isSayable);
        expect(back.text).toBe(expected.map((tree) => `${JSON.stringify(tree)}\n`).join(''));
      },
    ),
    { numRuns: 150 },
  );
});

const noise = fc.array(
  fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ',',
    ':',
    '1',
    'a',
    '\n',
    '<record>',
    '</record>',
    '<a>',
    '</a>',
    '\\',
    ' ',
    'true',
  ),
  {
    maxLength: 60,
  },
);

test('whatever the bytes, records in are records out and rejected, and out is readable', async () => {
  await fc.assert(
    fc.asyncProperty(noise, fc.constantFrom(...FORMATS), fc.constantFrom(...FORMATS), async (parts, from, to) => {
      const conversion = between(from, to, { ...(to === 'csv' && from !== 'csv' && { columns: ['a'] }) });
      let made: Awaited<ReturnType<typeof convert>>;
      try {
        made = await convert(parts.join(''), conversion);
      } catch (error) {
        if (error instanceof FormatFault) return;
        throw error;
      }
      const { counts, rejected } = made;
      expect(counts.recordsIn).toBe(counts.recordsOut + rejected.length);
      if (to === 'json') expect(JSON.parse(made.text)).toHaveLength(counts.recordsOut);
      if (to === 'ndjson')
        expect(
          made.text
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line)),
        ).toHaveLength(counts.recordsOut);
      if (to === 'xml')
        expect((await convert(made.bytes, between('xml', 'ndjson'))).counts.recordsOut).toBe(counts.recordsOut);
    }),
    { numRuns: 300 },
  );
});

describe('text', () => {
  const convertAll = async (bytes: Buffer, conversion: Parameters<typeof convertText>[1], pieceBytes = 3) => {
    const out: Buffer[] = [];
    for await (const piece of convertText(cut(bytes, pieceBytes), conversion)) out.push(piece);
    return Buffer.concat(out);
  };

  it('goes from one encoding to another and back, with the line ends of each', async () => {
    const text = 'Größe; 1 €\nzwei\n';
    const host = await convertAll(Buffer.from(text), {
      from: { encoding: 'utf-8' },
      to: { encoding: 'cp1141', lineEnds: 'keep' },
    });
    expect(host).toEqual(encodingCodec('cp1141').encodeText(text.replaceAll('\n', '\u0085')));
    const back = await convertAll(host, { from: { encoding: 'cp1141' }, to: { encoding: 'utf-8', lineEnds: 'crlf' } });
    expect(back.toString()).toBe(text.replaceAll('\n', '\r\n'));
  });

  it('is refused where a character would be lost', async () => {
    const work = convertAll(Buffer.from('a\n日本\n'), {
      from: { encoding: 'utf-8' },
      to: { encoding: 'latin-1', lineEnds: 'keep' },
    });
    expect(await faultOf(work)).toBe('TEXT_ENCODING');
    const bad = convertAll(Buffer.from([0x61, 0xff]), {
      from: { encoding: 'utf-8' },
      to: { encoding: 'utf-8', lineEnds: 'keep' },
    });
    expect(await faultOf(bad)).toBe('TEXT_ENCODING');
  });
});
