/** Records as text of a format. What a format cannot say is a fault of the record, and is never left out in silence. */
import { ExactNumber } from '#shared/partners/exact-json.ts';
import type { RecordTree } from './source-record.ts';
import { isXmlName } from './xml-names.ts';

export type TargetForm =
  | {
      readonly format: 'csv';
      readonly delimiter: string;
      readonly quote: string;
      readonly header: boolean;
      readonly unknown: 'reject' | 'ignore';
      readonly lineEnd: string;
    }
  | { readonly format: 'ndjson' | 'json' }
  /** `declared`: the encoding by the name that XML knows. */
  | { readonly format: 'xml'; readonly root: string; readonly record: string; readonly declared: string };

export interface RecordWriter {
  readonly beginning: string;
  /** @throws Unwritable */
  write(value: RecordTree, isFirst: boolean): string;
  /** `isEmpty`: of no record. */
  end(isEmpty: boolean): string;
}

/** Its message shows no value. */
export class Unwritable extends Error {}

/** `columns`: of a CSV. */
export function createRecordWriter(form: TargetForm, columns: readonly string[]): RecordWriter {
  switch (form.format) {
    case 'csv':
      return csvWriter(form, columns);
    case 'ndjson':
      return { beginning: '', write: (value) => `${JSON.stringify(value)}\n`, end: () => '' };
    case 'json':
      return {
        beginning: '[',
        write: (value, isFirst) => `${isFirst ? '\n' : ',\n'}${JSON.stringify(value)}`,
        end: (isEmpty) => (isEmpty ? ']\n' : '\n]\n'),
      };
    case 'xml':
      return xmlWriter(form);
  }
}

function csvWriter(form: Extract<TargetForm, { format: 'csv' }>, columns: readonly string[]): RecordWriter {
  const { delimiter, quote, header, unknown, lineEnd } = form;
  const known = new Set(columns);
  const isSpecial = (text: string): boolean =>
    text.includes(delimiter) ||
    text.includes(quote) ||
    text.endsWith('\u001a') ||
    /[\r\n\u0085]|^[\s\ufeff]|\s$/.test(text);
  const quoted = (text: string): string => quote + text.replaceAll(quote, quote + quote) + quote;
  /** A row without any text would be passed over by those who read it, and a first line `sep=` be taken for Excel's. */
  const row = (fields: readonly string[]): string => {
    const isBlank = fields.every((field) => field === '');
    const written = fields.map((field, index) =>
      isSpecial(field) || (index === 0 && (isBlank || /^sep=/i.test(field))) ? quoted(field) : field,
    );
    return written.join(delimiter) + lineEnd;
  };
  return {
    beginning: header && columns.length > 0 ? row(columns) : '',
    write(value) {
      if (unknown === 'reject') {
        const other = Object.keys(value).find((key) => !known.has(key));
        if (other !== undefined) throw new Unwritable('it has a member that is not one of the columns');
      }
      return row(columns.map((name) => cellOf(Object.hasOwn(value, name) ? value[name] : null, name)));
    },
    end: () => '',
  };
}

function cellOf(value: unknown, name: string): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'object' && !(value instanceof ExactNumber))
    throw new Unwritable(`a cell of CSV cannot have a list or an object, which the column ${name} has`);
  const text = String(value);
  if (text.includes('\0')) throw new Unwritable(`the column ${name} has a NUL character`);
  return text;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what XML cannot say
const NO_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

function xmlWriter({ root, record, declared }: Extract<TargetForm, { format: 'xml' }>): RecordWriter {
  return {
    beginning: `<?xml version="1.0" encoding="${declared}"?>\n<${root}>`,
    write: (value) => `\n${element(record, value)}`,
    end: () => `\n</${root}>\n`,
  };
}

function element(name: string, value: unknown): string {
  if (!isXmlName(name)) throw new Unwritable('a name in it cannot be the name of an XML element');
  if (value === null || value === undefined) return '';
  if (Array.isArray(value))
    return value
      .map((each) => {
        if (Array.isArray(each)) throw new Unwritable('XML has no list in a list');
        return element(name, each ?? '');
      })
      .join('');
  if (typeof value !== 'object' || value instanceof ExactNumber) return `<${name}>${content(value)}</${name}>`;
  let attributes = '';
  let inner = '';
  for (const [key, member] of Object.entries(value)) {
    if (key === '#text') inner += content(scalar(member));
    else if (!key.startsWith('@')) inner += element(key, member);
    else if (isXmlName(key.slice(1))) attributes += ` ${key.slice(1)}="${attribute(scalar(member))}"`;
    else throw new Unwritable('a name in it cannot be the name of an XML attribute');
  }
  return `<${name}${attributes}>${inner}</${name}>`;
}

function scalar(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && !(value instanceof ExactNumber))
    throw new Unwritable('an attribute or a text of XML cannot have a list or an object');
  return value ?? '';
}

function content(value: unknown): string {
  return escaped(value, /[&<>\r]/g);
}

function attribute(value: unknown): string {
  return escaped(value, /[&<>"\t\n\r]/g);
}

function escaped(value: unknown, what: RegExp): string {
  const text = String(value);
  if (NO_XML.test(text)) throw new Unwritable('a text in it has a character that XML cannot have');
  return text.replace(what, (character) => REFERENCES[character] as string);
}
