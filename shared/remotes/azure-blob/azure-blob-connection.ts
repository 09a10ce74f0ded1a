/**
 * Files of Azure Blob Storage: block blobs of a container, whose names are the paths below it.
 *
 * 1. Bytes are staged as blocks, each with its MD5, which the service checks; one request commits them. So a name never shows partial bytes.
 * 2. Ids of blocks are made of the upload's key: another try finds what is there, and two uploads never mix. What is never committed is
 *    removed by the service after a week.
 * 3. A blob that was committed has the key in its metadata.
 * 4. There is no rename: the service copies, then the source is deleted. Killed between the two, the next try deletes only.
 */
import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  encodedPath,
  fileOf,
  type HttpsReply,
  type HttpsRequest,
  type HttpsRequests,
} from '../https/https-requests.ts';
import type {
  RemoteConnection,
  RemoteEntry,
  RemoteFile,
  RemoteStaging,
  StagedFile,
  WriteOptions,
} from '../remote-connection.ts';
import { hasRemoteFault, RemoteError } from '../remote-error.ts';
import { readBlobList, readBlockList } from './read-blob-list.ts';

export interface AzureBlobConnectionOptions {
  readonly requests: HttpsRequests;
  /** Of all paths: the account, where the host does not name it. */
  readonly prefix: string;
  readonly sas: string | undefined;
  readonly stallMs: number;
}

const KEY_METADATA = 'x-ms-meta-longshore_key';
const BLOCK_BYTES = 4 * 1_048_576;
/** The service takes 50,000 blocks of a blob. */
const MOST_BLOCKS = 50_000;
/** Between two looks at a copy that the service makes. */
const COPY_LOOK_MS = 500;
const WRITES_AGAIN = Number.MAX_SAFE_INTEGER;

type Query = Readonly<Record<string, string>>;

export class AzureBlobConnection implements RemoteConnection {
  readonly unsureTailBytes = WRITES_AGAIN;
  readonly staging: RemoteStaging;
  readonly #requests: HttpsRequests;
  readonly #prefix: string;
  readonly #sas: string | undefined;
  readonly #stallMs: number;

  constructor({ requests, prefix, sas, stallMs }: AzureBlobConnectionOptions) {
    this.#requests = requests;
    this.#prefix = prefix;
    this.#sas = sas;
    this.#stallMs = stallMs;
    this.staging = {
      stage: (path, file, read) => this.#stage(path, file, read),
      show: (path, file, options) => this.#show(path, file, options?.overwrite ?? false),
      find: (path, file) => this.#find(path, file),
    };
  }

  get fingerprint(): string {
    return this.#requests.fingerprint;
  }

  get certificateEndsAt(): string | undefined {
    return this.#requests.certificateEndsAt;
  }

  get isUsable(): boolean {
    return this.#requests.isUsable;
  }

  /** That the service lets us in matters here, not what is there. */
  async logIn(directory: string): Promise<void> {
    try {
      for await (const _entry of this.#page(directory, undefined, 1));
    } catch (error) {
      // A signature may allow single blobs only.
      if (!hasRemoteFault(error, 'path-gone', 'denied')) throw error;
    }
  }

  async *list(directory: string): AsyncIterable<RemoteEntry> {
    const { name: prefix } = placeOf(directory);
    let marker: string | undefined;
    do {
      const page = this.#page(directory, marker);
      let next = await page.next();
      for (; next.done !== true; next = await page.next()) {
        const name = next.value.name.slice(prefix.length);
        if (next.value.name.startsWith(prefix) && name !== '') yield { ...next.value, name };
      }
      marker = next.value;
    } while (marker !== undefined);
  }

  async stat(path: string): Promise<RemoteFile | undefined> {
    const headers = await this.#head(path);
    if (headers === undefined || headers['x-ms-meta-hdi_isfolder'] === 'true') return undefined;
    const file = fileOf(headers);
    if (file === undefined) throw new RemoteError('protocol', 'the server does not tell the size of a file');
    return file;
  }

  read(path: string, offset = 0): AsyncIterable<Uint8Array> {
    return this.#requests.read({ target: this.#target(path), range: 'x-ms-range' }, offset);
  }

  async write(path: string, body: AsyncIterable<Uint8Array>, { offset = 0 }: WriteOptions = {}): Promise<number> {
    if (offset > 0) throw new RemoteError('refused', 'Azure Blob Storage takes whole files only');
    const key = randomUUID();
    const sizes: number[] = [];
    for await (const block of inBlocks(body, BLOCK_BYTES)) {
      await this.#putBlock(path, blockId(key, sizes.length), block);
      sizes.push(block.length);
    }
    await this.#commit(path, { key, blocks: sizes.length, overwrite: true });
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async rename(from: string, to: string, { overwrite = false } = {}): Promise<void> {
    const doing = 'rename the file';
    const source = await this.#head(from);
    if (source === undefined) throw new RemoteError('path-gone', `could not ${doing}`);
    if (overwrite || !(await this.#isCopy(to, from, source))) {
      const headers = {
        'x-ms-copy-source': `${this.#requests.origin}${this.#target(from)}`,
        'x-ms-source-if-match': String(source.etag),
        ...(!overwrite && { 'if-none-match': '*' }),
        'content-length': '0',
      };
      const { headers: copied } = await this.#done(doing, { method: 'PUT', headers, target: this.#target(to) });
      await this.#copied(to, String(copied['x-ms-copy-status']));
    }
    const headers = { 'if-match': String(source.etag), 'x-ms-delete-snapshots': 'include' };
    try {
      await this.#done(doing, { method: 'DELETE', headers, target: this.#target(from) });
    } catch (error) {
      // What has the old name by now is another file.
      if (!hasRemoteFault(error, 'exists', 'path-gone')) throw error;
    }
  }

  async remove(path: string): Promise<void> {
    const headers = { 'x-ms-delete-snapshots': 'include' };
    await this.#done('remove the file', { method: 'DELETE', headers, target: this.#target(path) });
  }

  async close(): Promise<void> {
    await this.#requests.close();
  }

  async #stage(
    path: string,
    { key, sizeBytes }: StagedFile,
    read: (offset: number) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const blockBytes = blockBytesOf(sizeBytes);
    const waiting = await this.#waiting(path);
    let block = 0;
    while (waiting.get(blockId(key, block)) === Math.min(blockBytes, sizeBytes - block * blockBytes)) block += 1;
    let offset = Math.min(sizeBytes, block * blockBytes);
    if (offset < sizeBytes)
      for await (const bytes of inBlocks(read(offset), blockBytes)) {
        await this.#putBlock(path, blockId(key, block), bytes);
        offset += bytes.length;
        block += 1;
      }
    if (offset !== sizeBytes) throw new RemoteError('refused', `${offset} bytes came to be sent of ${sizeBytes}`);
  }

  async #show(path: string, { key, sizeBytes }: StagedFile, overwrite: boolean): Promise<void> {
    await this.#commit(path, { key, blocks: Math.ceil(sizeBytes / blockBytesOf(sizeBytes)), overwrite });
  }

  async #find(path: string, { key, sizeBytes }: StagedFile): Promise<'shown' | 'staged' | 'gone'> {
    const headers = await this.#head(path);
    if (headers?.[KEY_METADATA] === key && headers['content-length'] === String(sizeBytes)) return 'shown';
    // Blocks wait until they are committed, or somebody else commits others.
    return (await this.#waiting(path)).has(blockId(key, 0)) ? 'staged' : 'gone';
  }

  async #commit(
    path: string,
    { key, blocks, overwrite }: { readonly key: string; readonly blocks: number; readonly overwrite: boolean },
  ): Promise<void> {
    const ids = Array.from({ length: blocks }, (_, block) => `<Uncommitted>${blockId(key, block)}</Uncommitted>`);
    const body = Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${ids.join('')}</BlockList>`);
    const headers = {
      ...{ 'content-type': 'application/xml', 'content-length': String(body.length) },
      ...{ 'x-ms-blob-content-type': 'application/octet-stream', [KEY_METADATA]: key },
      ...(!overwrite && { 'if-none-match': '*' }),
    };
    await this.#done('write the file', {
      ...{ method: 'PUT', headers, body },
      target: this.#target(path, { comp: 'blocklist' }),
    });
  }

  async #putBlock(path: string, id: string, body: Buffer): Promise<void> {
    const headers = {
      'content-length': String(body.length),
      'content-md5': createHash('md5').update(body).digest('base64'),
    };
    const target = this.#target(path, { comp: 'block', blockid: id });
    await this.#done('write the file', { method: 'PUT', headers, body, target });
  }

  async #waiting(path: string): Promise<ReadonlyMap<string, number>> {
    const doing = 'look at what was sent';
    const target = this.#target(path, { comp: 'blocklist', blocklisttype: 'uncommitted' });
    try {
      const { body } = await this.#requests.ask(doing, { method: 'GET', target });
      return await readBlockList(this.#requests.received(doing, body));
    } catch (error) {
      if (!hasRemoteFault(error, 'path-gone')) throw error;
      return new Map();
    }
  }

  async #head(path: string): Promise<HttpsReply['headers'] | undefined> {
    try {
      const request = { method: 'HEAD', target: this.#target(path) };
      return (await this.#done('look at the file', request)).headers;
    } catch (error) {
      if (!hasRemoteFault(error, 'path-gone')) throw error;
      return undefined;
    }
  }

  /** Whether `to` was copied from `from` as it is now. */
  async #isCopy(to: string, from: string, source: HttpsReply['headers']): Promise<boolean> {
    const there = await this.#head(to);
    const copiedFrom = there?.['x-ms-copy-source'];
    if (there === undefined || typeof copiedFrom !== 'string') return false;
    const isSource = URL.parse(copiedFrom)?.pathname === this.#target(from).split('?')[0];
    const isSame =
      there['content-length'] === source['content-length'] && there['content-md5'] === source['content-md5'];
    return isSource && isSame && there['x-ms-copy-status'] === 'success';
  }

  /** Copies within an account end at once, but may take long when they are large. */
  async #copied(to: string, status: string): Promise<void> {
    const untilMs = performance.now() + this.#stallMs;
    let now = status;
    while (now === 'pending' && performance.now() < untilMs) {
      await sleep(COPY_LOOK_MS);
      now = String((await this.#head(to))?.['x-ms-copy-status']);
    }
    if (now === 'pending') throw new RemoteError('stalled', 'could not rename the file: the copy does not end');
    if (now !== 'success') throw new RemoteError('refused', 'could not rename the file: the copy failed');
  }

  async *#page(
    directory: string,
    marker: string | undefined,
    most = 5_000,
  ): AsyncGenerator<RemoteEntry, string | undefined> {
    const doing = 'list the directory';
    const { container, name: prefix } = placeOf(directory);
    const query = {
      ...{ restype: 'container', comp: 'list', prefix, delimiter: '/', maxresults: String(most) },
      ...(marker !== undefined && { marker }),
    };
    const { body } = await this.#requests.ask(doing, { method: 'GET', target: this.#target(`/${container}`, query) });
    return yield* readBlobList(this.#requests.received(doing, body));
  }

  async #done(doing: string, request: HttpsRequest): Promise<HttpsReply> {
    return await this.#requests.done(doing, request);
  }

  #target(path: string, query: Query = {}): string {
    const words = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    const all = [...words, ...(this.#sas === undefined ? [] : [this.#sas])].join('&');
    return `${this.#prefix}${encodedPath(path)}${all === '' ? '' : `?${all}`}`;
  }
}

function placeOf(path: string): { readonly container: string; readonly name: string } {
  const [container = '', ...names] = path.slice(1).split('/');
  return { container, name: names.join('/') };
}

function blockBytesOf(sizeBytes: number): number {
  return Math.max(BLOCK_BYTES, Math.ceil(sizeBytes / MOST_BLOCKS));
}

/** In base64, of equal length, as all of one blob must be. */
function blockId(key: string, block: number): string {
  const name = createHash('sha256').update(key).digest('hex').slice(0, 24);
  return Buffer.from(`${name}-${String(block).padStart(5, '0')}`).toString('base64');
}

async function* inBlocks(pieces: AsyncIterable<Uint8Array>, size: number): AsyncIterable<Buffer> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const piece of pieces) {
    let left = piece;
    while (heldBytes + left.length >= size) {
      const taken = left.subarray(0, size - heldBytes);
      yield Buffer.concat([...held, taken]);
      left = left.subarray(taken.length);
      held = [];
      heldBytes = 0;
    }
    if (left.length > 0) {
      held.push(left);
      heldBytes += left.length;
    }
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}
