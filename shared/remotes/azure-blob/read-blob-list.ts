/** Reads the replies to List Blobs and Get Block List as they come: memory does not grow with them, and no entity is expanded. */
import { SaxesParser } from 'saxes';
import { boundEntries } from '../https/bound-entries.ts';
import { timeOf } from '../https/https-requests.ts';
import type { RemoteEntry } from '../remote-connection.ts';
import { RemoteError } from '../remote-error.ts';

/** Of one value; a server that sends more sends no listing. */
const LONGEST_TEXT = 16_384;

/** What is in one element, by the names of the elements in it. */
type Texts = Record<string, string>;

/** Yields each element of `elements` once it ends, and a text that is not in one of them. @throws RemoteError `listing-unknown` */
async function* readElements(
  body: AsyncIterable<Uint8Array>,
  root: string,
  elements: ReadonlySet<string>,
): AsyncIterable<{ readonly element: string; readonly texts: Texts }> {
  const parser = new SaxesParser();
  let found: { element: string; texts: Texts }[] = [];
  let within: { element: string; texts: Texts } | undefined;
  let text = '';
  let depth = 0;
  let isRoot = false;
  const refuse = (): never => {
    throw new RemoteError('listing-unknown', 'the server lists in a form that is not known');
  };
  const bound = boundEntries(parser, refuse);
  parser.on('error', refuse);
  parser.on('doctype', refuse);
  parser.on('opentag', ({ name, attributes }) => {
    depth += 1;
    bound.check(depth);
    text = '';
    if (depth === 1) isRoot = name === root;
    if (elements.has(name)) within = { element: name, texts: Object.create(null) };
    else if (within !== undefined && attributes.Encoded === 'true') within.texts[`${name}.encoded`] = 'true';
  });
  parser.on('text', (piece) => {
    text += piece;
    if (text.length > LONGEST_TEXT) refuse();
  });
  parser.on('closetag', ({ name }) => {
    depth -= 1;
    if (name === within?.element) {
      found.push(within);
      within = undefined;
    } else if (within !== undefined) within.texts[name] ??= text;
    else found.push({ element: name, texts: { text } });
    text = '';
    if (within === undefined) bound.ended();
  });
  const decoder = new TextDecoder('utf-8');
  for await (const bytes of body) {
    parser.write(decoder.decode(bytes, { stream: true }));
    bound.check(depth);
    yield* found;
    found = [];
  }
  parser.close();
  yield* found;
  if (!isRoot) refuse();
}

const LISTED = new Set(['Blob', 'BlobPrefix']);

/** Names are whole: with the directories before them. Returns the marker of the next page, if there is one. */
export async function* readBlobList(body: AsyncIterable<Uint8Array>): AsyncGenerator<RemoteEntry, string | undefined> {
  let marker: string | undefined;
  for await (const { element, texts } of readElements(body, 'EnumerationResults', LISTED)) {
    if (element === 'NextMarker' && texts.text !== '') marker = texts.text;
    if (!LISTED.has(element)) continue;
    const { Name = '', ResourceType, 'Content-Length': size = '', 'Last-Modified': modified } = texts;
    const name = texts['Name.encoded'] === 'true' ? decoded(Name) : Name;
    if (element === 'BlobPrefix' || ResourceType === 'directory')
      yield { name: name.replace(/\/$/, ''), kind: 'directory', sizeBytes: 0, modifiedAt: undefined };
    else
      yield {
        name,
        kind: 'file',
        sizeBytes: /^\d{1,15}$/.test(size) ? Number(size) : undefined,
        modifiedAt: timeOf(modified),
      };
  }
  return marker;
}

const BLOCK = new Set(['Block']);

/** Ids in base64, and sizes, of the blocks that wait. */
export async function readBlockList(body: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, number>> {
  const blocks = new Map<string, number>();
  for await (const { element, texts } of readElements(body, 'BlockList', BLOCK))
    if (element === 'Block') blocks.set(texts.Name ?? '', Number(texts.Size));
  return blocks;
}

/** Names with characters that XML does not take. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return '\ufffd';
  }
}
