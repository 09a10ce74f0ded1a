/** Replies to listings that have no end: each is refused before it takes memory. */
import { describe, expect, test } from 'vitest';
import { readBlobList, readBlockList } from '../azure-blob/read-blob-list.ts';
import { readMultistatus } from '../webdav/read-multistatus.ts';

const MOST_BYTES = 4 * 1_048_576;
const PIECE = 65_536;

type Read = (body: AsyncIterable<Uint8Array>) => Promise<unknown>;
const through =
  (read: (body: AsyncIterable<Uint8Array>) => AsyncIterable<unknown>): Read =>
  async (body) => {
    for await (const _entry of read(body));
  };
const LISTINGS: readonly (readonly [string, string, Read])[] = [
  ['a WebDAV server', '<D:multistatus xmlns:D="DAV:"><D:response><D:href>', through(readMultistatus)],
  ['a blob server', '<EnumerationResults><Blobs><Blob><Name>', through(readBlobList)],
  ['a blob server, of blocks', '<BlockList><UncommittedBlocks><Block><Name>', readBlockList],
];
/** What comes for ever: after the beginning of a name, or of an entry. */
const ENDLESS: readonly (readonly [string, string])[] = [
  ['text', 'a'],
  ['characters by number', '&#97;'],
  ['elements', '<a>b</a>'],
  ['elements of other names', '<a#>b</a#>'],
  ['elements that are not closed', '<a>'],
  ['a comment', '<!--'],
  ['comments', '<!-- a -->'],
  ['an instruction', '<?a '],
  ['CDATA', '<![CDATA['],
  ['CDATA, again and again', '<![CDATA[a]]>'],
  ['the name of an element', '<'],
  ['attributes', '<b '],
  ['the value of an attribute', '<b c="'],
];

describe.each(LISTINGS)('of %s', (_server, beginning, read) => {
  test.each(ENDLESS)('%s without end', async (what, piece) => {
    let sent = 0;
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(beginning);
      let count = 0;
      const next = (): string => {
        count += 1;
        if (what === 'attributes') return count === 1 ? piece : `a${count}="b" `;
        if (/^(?:a comment|an instruction|CDATA|the name|the value)/.test(what) && !what.endsWith('again'))
          return count === 1 ? piece : 'a'.repeat(1_024);
        return piece.replaceAll('#', String(count));
      };
      for (;;) {
        let text = '';
        while (text.length < PIECE) text += next();
        sent += text.length;
        if (sent > MOST_BYTES) throw new Error(`over ${MOST_BYTES} bytes were taken`);
        yield Buffer.from(text);
      }
    }
    await expect(read(body())).rejects.toMatchObject({ code: 'REMOTE_LISTING_UNKNOWN' });
  });
});

test('a listing of any number of entries is read to its end', async () => {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('<D:multistatus xmlns:D="DAV:">');
    const entry = `<D:response><D:href>/in/${'n'.repeat(200)}</D:href><!-- one more --></D:response>\n`;
    for (let count = 0; count < 200; count += 1) yield Buffer.from(entry.repeat(100));
    yield Buffer.from('</D:multistatus>');
  }
  let entries = 0;
  for await (const _entry of readMultistatus(body())) entries += 1;
  expect(entries).toBe(20_000);
});
