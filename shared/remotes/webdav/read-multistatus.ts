/** Reads the reply to PROPFIND (RFC 4918) as it comes: memory does not grow with the listing, and no entity is expanded. */
import { SaxesParser } from 'saxes';
import { boundEntries } from '../https/bound-entries.ts';
import { timeOf } from '../https/https-requests.ts';
import { RemoteError } from '../remote-error.ts';

export interface DavEntry {
  /** As the server wrote it: a path or a whole URL, with percent signs. */
  readonly href: string;
  readonly isCollection: boolean;
  readonly sizeBytes: number | undefined;
  /** RFC 3339, UTC, to the second. */
  readonly modifiedAt: string | undefined;
}

const DAV = 'DAV:';
/** Of one value; a server that sends more sends no listing. */
const LONGEST_TEXT = 16_384;
const PROPERTIES = new Set(['href', 'getcontentlength', 'getlastmodified']);

/** @throws RemoteError `listing-unknown` */
export async function* readMultistatus(body: AsyncIterable<Uint8Array>): AsyncIterable<DavEntry> {
  const parser = new SaxesParser({ xmlns: true });
  let found: DavEntry[] = [];
  let texts: Record<string, string> = {};
  let isCollection = false;
  let reading: string | undefined;
  let depth = 0;
  let isMultistatus = false;
  const refuse = (): never => {
    throw new RemoteError('listing-unknown', 'the server lists in a form that is not known');
  };
  const bound = boundEntries(parser, refuse);
  parser.on('error', refuse);
  parser.on('doctype', refuse);
  parser.on('opentag', ({ local, uri }) => {
    depth += 1;
    bound.check(depth);
    if (uri !== DAV) return;
    if (depth === 1) isMultistatus = local === 'multistatus';
    if (local === 'response') [texts, isCollection] = [{}, false];
    if (local === 'collection') isCollection = true;
    // The first one is the entry's own.
    if (PROPERTIES.has(local) && texts[local] === undefined) [reading, texts[local]] = [local, ''];
  });
  parser.on('text', (text) => {
    if (reading === undefined) return;
    const whole = `${texts[reading] ?? ''}${text}`;
    if (whole.length > LONGEST_TEXT) refuse();
    texts[reading] = whole;
  });
  parser.on('closetag', ({ local, uri }) => {
    depth -= 1;
    reading = undefined;
    if (depth === 1) bound.ended();
    if (uri !== DAV || local !== 'response') return;
    const { href = '', getcontentlength = '', getlastmodified = '' } = texts;
    found.push({
      ...{ href: href.trim(), isCollection },
      sizeBytes: /^\s*\d{1,15}\s*$/.test(getcontentlength) ? Number(getcontentlength) : undefined,
      modifiedAt: timeOf(getlastmodified),
    });
  });
  const decoder = new TextDecoder('utf-8');
  for await (const bytes of body) {
    parser.write(decoder.decode(bytes, { stream: true }));
    bound.check(depth);
    yield* found;
    found = [];
  }
  parser.close();
  if (!isMultistatus) refuse();
}
