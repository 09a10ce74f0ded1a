/**
 * The little XML that S3 speaks: replies are built from trees, request documents are read strictly.
 *
 * 1. A DOCTYPE is refused, and no entity but XML's own five and character references is known, so nothing expands.
 * 2. The event loop gets its turn every few milliseconds, however long a document is.
 */
import { S3Error } from '#local/s3/s3-error.ts';
import { eventLoopTurns } from '#shared/formats/event-loop-turns.ts';

/** A name with a text, or with the elements inside it. `undefined` content leaves the element out. */
export type XmlNode = readonly [name: string, content: string | number | boolean | undefined | readonly XmlNode[]];

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

export function buildXml(root: string, nodes: readonly XmlNode[]): string {
  return `${DECLARATION}<${root} xmlns="${NAMESPACE}">${nodes.map(buildNode).join('')}</${root}>`;
}

/** S3's error documents have no namespace. */
export function buildErrorXml(nodes: readonly XmlNode[]): string {
  return `${DECLARATION}<Error>${nodes.map(buildNode).join('')}</Error>`;
}

/** The error document of the query protocol, which SNS speaks. */
export function buildQueryErrorXml(code: string, message: string): string {
  return `${DECLARATION}${buildNode([
    'ErrorResponse',
    [
      [
        'Error',
        [
          ['Type', 'Sender'],
          ['Code', code],
          ['Message', message],
        ],
      ],
    ],
  ])}`;
}

function buildNode([name, content]: XmlNode): string {
  if (content === undefined) return '';
  const inner = Array.isArray(content) ? content.map(buildNode).join('') : escapeXml(String(content));
  return `<${name}>${inner}</${name}>`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Control characters become character references, as S3 writes them. */
function escapeXml(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
    /[&<>"\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g,
    (character) => ENTITIES[character] ?? `&#x${character.charCodeAt(0).toString(16)};`,
  );
}

export interface XmlElement {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

const MAX_DEPTH = 16;
/** In characters: what S3 reads is names, numbers and checksums, and the longest of them is a key with each character escaped. */
const LONGEST_TOKEN = 65_536;
const TOKENS_OF_A_SLICE = 256;
/** 10,000 parts with a checksum each have half as many; documents are read side by side, and each element takes memory. */
const MOST_ELEMENTS = 100_000;
const TOKEN =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([A-Za-z_][\w.:-]*)([^<>]*?)(\/?)>|([^<]+)/y;
const KNOWN_ENTITIES = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** In slices, between which other requests get their turn. @throws S3Error `MalformedXML`. */
export async function parseXml(document: string, root: string): Promise<XmlElement> {
  const top: XmlElement = { name: '', children: [], text: '' };
  const open = [top];
  const turn = eventLoopTurns();
  let elements = 0;
  let at = document.charCodeAt(0) === 0xfeff ? 1 : 0;
  for (let tokens = 1; at < document.length; tokens += 1) {
    if (tokens % TOKENS_OF_A_SLICE === 0) await turn();
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(document);
    if (match === null || match[0].length > LONGEST_TOKEN) throw malformedXml();
    at = TOKEN.lastIndex;
    const [, cdata, slash, name, , selfClosing, text] = match;
    const current = open.at(-1)!;
    if (cdata !== undefined) current.text += cdata;
    else if (text !== undefined) current.text += decodeEntities(text);
    else if (name !== undefined && slash === '/') {
      if (open.length < 2 || current.name !== localName(name)) throw malformedXml();
      open.pop();
    } else if (name !== undefined) {
      const element: XmlElement = { name: localName(name), children: [], text: '' };
      current.children.push(element);
      if (selfClosing !== '/') open.push(element);
      elements += 1;
      if (open.length > MAX_DEPTH || elements > MOST_ELEMENTS) throw malformedXml();
    }
  }
  const element = top.children[0];
  if (open.length !== 1 || top.children.length !== 1 || top.text.trim() !== '' || element?.name !== root)
    throw malformedXml();
  return element;
}

/** The text of the first child of that name. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export function malformedXml(): S3Error {
  return new S3Error(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&]{0,10});?/g, (_match, entity: string) => {
    const known = KNOWN_ENTITIES.get(entity);
    if (known !== undefined) return known;
    const reference = /^#(?:x([0-9a-fA-F]+)|(\d+))$/.exec(entity);
    const point = reference?.[1] ? Number.parseInt(reference[1], 16) : Number(reference?.[2] ?? Number.NaN);
    if (!(point > 0 && point <= 0x10ffff)) throw malformedXml();
    return String.fromCodePoint(point);
  });
}
