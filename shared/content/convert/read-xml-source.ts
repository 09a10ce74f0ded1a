/**
 * Records of XML: each element of one name. Attributes are `@name`, text next to other content is `#text`, elements that come twice are a list.
 *
 * 1. A DOCTYPE is refused, and no entity but XML's own five is known.
 * 2. Memory is bounded by one record. What is not well-formed makes all after it doubtful, and is thrown.
 */
import { SaxesParser } from 'saxes';
import { decodeText } from '#shared/formats/decode-text.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import type { EncodingCodec } from '#shared/formats/records/record-encoding.ts';
import type { RecordTree, SourceItem, SourceItems } from './source-record.ts';

interface XmlForm {
  readonly record: string;
  readonly maxRecordBytes: number;
}

interface OpenElement {
  readonly name: string;
  readonly members: Map<string, unknown>;
  text: string;
}

const DEEPEST = 64;
const CODES = { encoding: 'XML_ENCODING', nul: 'XML_SYNTAX' } as const;

/** @throws FormatFault `XML_*` */
export async function* readXmlSource(
  bytes: AsyncIterable<Uint8Array>,
  codec: EncodingCodec,
  { record, maxRecordBytes }: XmlForm,
): SourceItems {
  const parser = new SaxesParser({ position: true });
  let found: SourceItem[] = [];
  const open: OpenElement[] = [];
  let depth = 0;
  let line = 0;
  let began = 0;
  let records = 0;
  let others = 0;

  const refuse = (code: 'XML_SYNTAX' | 'XML_DEPTH' | 'XML_RECORD_TOO_LONG', message: string): never => {
    throw new FormatFault(code, message, parser.line);
  };
  const bound = (): void => {
    if (parser.position - began > maxRecordBytes)
      refuse('XML_RECORD_TOO_LONG', `The content from line ${line || 1} on is longer than ${maxRecordBytes} bytes.`);
  };
  parser.on('error', () => refuse('XML_SYNTAX', 'The file is not well-formed XML.'));
  parser.on('doctype', () => refuse('XML_SYNTAX', 'The file has a DOCTYPE, which is not taken.'));
  parser.on('opentag', ({ name, attributes }) => {
    depth += 1;
    if (depth > DEEPEST) refuse('XML_DEPTH', `Elements are nested more than ${DEEPEST} deep.`);
    if (open.length === 0) {
      if (name !== record) {
        if (depth > 1) others += 1;
        began = parser.position;
        return;
      }
      line = parser.line;
      began = parser.position;
    }
    const members = new Map(Object.entries(attributes).map(([key, value]): [string, unknown] => [`@${key}`, value]));
    open.push({ name, members, text: '' });
    bound();
  });
  const take = (text: string): void => {
    const inner = open.at(-1);
    if (inner !== undefined) inner.text += text;
    else began = parser.position;
    bound();
  };
  parser.on('text', take);
  parser.on('cdata', take);
  parser.on('closetag', () => {
    depth -= 1;
    const closed = open.pop();
    if (closed === undefined) return;
    const value = treeOf(closed);
    const outer = open.at(-1);
    if (outer !== undefined) {
      addMember(outer.members, closed.name, value);
      return;
    }
    records += 1;
    const tree = (typeof value === 'string' ? (value === '' ? {} : { '#text': value }) : value) as RecordTree;
    found.push({ type: 'record', line, value: tree, text: () => JSON.stringify(tree) });
    began = parser.position;
  });

  for await (const text of decodeText(bytes, codec.encoding, CODES)) {
    parser.write(text);
    bound();
    if (found.length > 0) yield found;
    found = [];
  }
  parser.close();
  if (found.length > 0) yield found;
  if (records === 0 && others > 0) throw new FormatFault('XML_NO_RECORDS', `The document has no element "${record}".`);
}

function treeOf({ members, text }: OpenElement): unknown {
  if (members.size === 0) return text;
  if (text.trim() !== '') members.set('#text', text);
  return Object.fromEntries(members);
}

/** Of an element that comes again, a list. */
function addMember(members: Map<string, unknown>, name: string, value: unknown): void {
  const before = members.get(name);
  if (before === undefined) members.set(name, value);
  else if (before instanceof Repeated) before.push(value);
  else members.set(name, Repeated.from([before, value]));
}

/** A list that came of repetition: no value of an element is one on its own. */
class Repeated extends Array<unknown> {}

/** The encoding that an XML declaration names, in what ASCII can be read in. */
export function declaredXmlEncoding(beginning: Uint8Array): string | undefined {
  const head = Buffer.from(beginning.subarray(0, 256)).toString('latin1');
  return /^<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']/.exec(head)?.[1];
}
