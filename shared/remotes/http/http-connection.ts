/**
 * Files of an HTTP API, by the requests that its definition describes.
 *
 * 1. An entry is known by its path: the directory and the name that was listed. Its other values (an id) go into the requests for it.
 * 2. A listing is read page by page, each bounded. A next page is one of the same server, and none that was read before.
 * 3. A redirection is followed for `fetch` alone, to hosts that the definition names.
 * 4. Nothing is written here.
 */
import type { HttpFileRequest, HttpRemote } from '#shared/definitions/remote-schema.ts';
import { readReply } from '#shared/partners/read-reply.ts';
import { HEADER_VALUE } from '#shared/partners/render-request.ts';
import { compileJson, compilePath, compileText, type TemplateValues } from '#shared/partners/request-template.ts';
import { isScalar, readPath } from '#shared/partners/value-path.ts';
import { type HttpsReply, type HttpsRequest, type HttpsRequests, timeOf } from '../https/https-requests.ts';
import type { RemoteConnection, RemoteEntry, RemoteFile } from '../remote-connection.ts';
import { hasRemoteFault, RemoteError } from '../remote-error.ts';

type Entry = Readonly<Record<string, unknown>>;

const MOST_PAGE_BYTES = 16 * 1_048_576;
const MOST_PAGES = 10_000;
const MOST_REDIRECTS = 3;
/** Of the replies whose entries are kept: those of the directory that was listed last, whose files are asked for next. Others are looked up. */
const MOST_KNOWN_BYTES = 32 * 1_048_576;

interface Page {
  readonly entries: readonly unknown[];
  /** Of the reply. */
  readonly bytes: number;
}

export class HttpConnection implements RemoteConnection {
  readonly unsureTailBytes = Number.MAX_SAFE_INTEGER;
  readonly #remote: HttpRemote;
  readonly #requests: HttpsRequests;
  readonly #known = new Map<string, Entry>();

  constructor(remote: HttpRemote, requests: HttpsRequests) {
    this.#remote = remote;
    this.#requests = requests;
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

  /** That we are let in matters here, not what is there. */
  async logIn(): Promise<void> {
    try {
      for await (const _page of this.#pages(this.#remote.paths[0] ?? '/')) break;
    } catch (error) {
      if (!hasRemoteFault(error, 'path-gone', 'denied')) throw error;
    }
  }

  async *list(directory: string): AsyncIterable<RemoteEntry> {
    this.#known.clear();
    let knownBytes = 0;
    for await (const { name, entry, bytes } of this.#entries(directory)) {
      knownBytes += bytes;
      const path = `${directory}${name}`;
      // Google Drive has files of the same name in one folder: the first counts, as it does for who lists.
      if (knownBytes <= MOST_KNOWN_BYTES && !this.#known.has(path)) this.#known.set(path, entry);
      yield { name, kind: 'file', sizeBytes: this.#sizeOf(entry), modifiedAt: this.#timeOf(entry) };
    }
  }

  async stat(path: string): Promise<RemoteFile | undefined> {
    const entry = await this.#look(path);
    if (entry === undefined) return undefined;
    const sizeBytes = this.#sizeOf(entry);
    if (sizeBytes === undefined) throw new RemoteError('protocol', 'the server does not tell the size of a file');
    return { sizeBytes, modifiedAt: this.#timeOf(entry) };
  }

  async *read(path: string, offset = 0): AsyncIterable<Uint8Array> {
    const request = this.#request(this.#remote.fetch, valuesOf(path, await this.#entryOf(path)));
    yield* this.#requests.read({ ...request, ask: (asked) => this.#askAlong(asked) }, offset);
  }

  async write(): Promise<never> {
    throw new RemoteError('refused', 'files are only fetched from an HTTP API');
  }

  async rename(): Promise<never> {
    throw new RemoteError('refused', 'files of an HTTP API cannot be renamed');
  }

  async remove(path: string): Promise<void> {
    const { remove } = this.#remote;
    if (remove === undefined) throw new RemoteError('refused', 'the remote does not say how a file is removed');
    const request = this.#request(remove, valuesOf(path, await this.#entryOf(path)));
    await this.#requests.done('remove the file', request);
    this.#known.delete(path);
  }

  async close(): Promise<void> {
    await this.#requests.close();
  }

  /** As it is now. */
  async #look(path: string): Promise<Entry | undefined> {
    const known = this.#known.get(path);
    const { entry: described } = this.#remote;
    if (known !== undefined && described !== undefined) {
      try {
        const entry = await this.#json('look at the file', this.#request(described, valuesOf(path, known)));
        if (!isEntry(entry)) throw new RemoteError('listing-unknown', 'the reply about a file is not an object');
        return entry;
      } catch (error) {
        if (!hasRemoteFault(error, 'path-gone')) throw error;
        return undefined;
      }
    }
    const directory = path.slice(0, path.lastIndexOf('/') + 1);
    let found: Entry | undefined;
    for await (const { name, entry } of this.#entries(directory)) {
      if (`${directory}${name}` !== path) continue;
      found = entry;
      break;
    }
    if (found === undefined) this.#known.delete(path);
    else this.#known.set(path, found);
    return found;
  }

  async #entryOf(path: string): Promise<Entry> {
    const entry = this.#known.get(path) ?? (await this.#look(path));
    if (entry === undefined) throw new RemoteError('path-gone', 'the file is not listed');
    return entry;
  }

  /** `bytes`: what an entry takes of its page, on average. */
  async *#entries(
    directory: string,
  ): AsyncIterable<{ readonly name: string; readonly entry: Entry; readonly bytes: number }> {
    const { name: namePath, size, only, onlyWith = size } = this.#remote.list;
    for await (const page of this.#pages(directory))
      for (const entry of page.entries) {
        if (!isEntry(entry) || readPath(entry, onlyWith) === undefined) continue;
        if (Object.entries(only).some(([path, value]) => textAt(entry, path) !== String(value))) continue;
        const name = textAt(entry, namePath);
        if (name !== undefined && name !== '') yield { name, entry, bytes: page.bytes / page.entries.length };
      }
  }

  async *#pages(directory: string): AsyncIterable<Page> {
    const { list } = this.#remote;
    const { next } = list;
    let token = '';
    let request = this.#request(list, valuesOf(directory, {}, token));
    const seen = new Set<string>();
    const turnTo = (following: string): void => {
      if (seen.has(following))
        throw new RemoteError('listing-unknown', 'the listing leads back to a page that was read before');
      seen.add(following);
    };
    for (let left = MOST_PAGES; left > 0; left -= 1) {
      const { reply, bytes } = await this.#replied('list the directory', request);
      const entries = list.entries === undefined ? reply : readPath(reply, list.entries);
      if (!Array.isArray(entries)) throw new RemoteError('listing-unknown', 'the reply has no list of files');
      yield { entries, bytes };
      if (next === undefined) return;
      if ('link' in next) {
        const link = isEntry(reply) && Object.hasOwn(reply, next.link) ? reply[next.link] : undefined;
        if (typeof link !== 'string' || link === '') return;
        const url = URL.parse(link, this.#requests.origin);
        if (url?.origin !== this.#requests.origin)
          throw new RemoteError('listing-unknown', 'the next page is one of another server');
        if (seen.size === 0) turnTo(request.target);
        request = { ...request, target: `${url.pathname}${url.search}` };
        turnTo(request.target);
        continue;
      }
      const following = textAt(reply, next.token);
      if (following === undefined || following === '' || following === token) return;
      if (next.while !== undefined && textAt(reply, next.while) !== 'true') return;
      turnTo(following);
      token = following;
      request = this.#request(list.more ?? list, valuesOf(directory, {}, token));
    }
    throw new RemoteError('listing-unknown', `the listing has more than ${MOST_PAGES} pages`);
  }

  #request({ method, host, path, query, headers, body }: HttpFileRequest, values: TemplateValues): HttpsRequest {
    try {
      const words = Object.entries(query)
        .map(([name, template]): [string, string] => [name, compileText(template)(values)])
        .filter(([, value]) => value !== '');
      const search = new URLSearchParams(words).toString();
      const json = body === undefined ? undefined : JSON.stringify(compileJson(body)(values));
      const rendered = Object.entries(headers).map(([name, template]) => [
        name.toLowerCase(),
        compileText(template)(values),
      ]);
      const sent = Object.fromEntries(rendered) as Record<string, string>;
      if (Object.values(sent).some((value) => !HEADER_VALUE.test(value)))
        throw new Error('a header would have characters that no header may have');
      return {
        method,
        target: `${compilePath(path)(values)}${search === '' ? '' : `?${search}`}`,
        ...(host !== undefined && { origin: `https://${host}`, isAuthorized: true }),
        headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...sent },
        body: json,
      };
    } catch (error) {
      const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
      throw new RemoteError('refused', `no request could be made (${line.slice(0, 200)})`);
    }
  }

  async #json(doing: string, request: HttpsRequest): Promise<unknown> {
    return (await this.#replied(doing, request)).reply;
  }

  async #replied(doing: string, request: HttpsRequest): Promise<{ readonly reply: unknown; readonly bytes: number }> {
    const headers = { accept: 'application/json', 'accept-encoding': 'identity', ...request.headers };
    const { headers: replied, body } = await this.#requests.ask(doing, { ...request, headers });
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of this.#requests.received(doing, body)) {
      bytes += piece.byteLength;
      if (bytes > MOST_PAGE_BYTES) throw new RemoteError('listing-unknown', 'a page of the listing is over 16 MiB');
      pieces.push(piece);
    }
    return { reply: await readReply({ body: Buffer.concat(pieces), headers: replied }), bytes };
  }

  async #askAlong(request: HttpsRequest): Promise<HttpsReply> {
    let asked: HttpsRequest = { ...request, takesRedirects: true };
    for (let left = MOST_REDIRECTS; left >= 0; left -= 1) {
      const reply = await this.#requests.ask('read the file', asked);
      if (reply.statusCode < 300 || reply.statusCode === 416) return reply;
      await reply.body.dump();
      const url = URL.parse(
        String(reply.headers.location ?? ''),
        `${asked.origin ?? this.#requests.origin}${asked.target}`,
      );
      if (url?.protocol !== 'https:' || !this.#remote.redirects.some((host) => isHostOf(host, url.hostname)))
        throw new RemoteError('place-refused', 'the server redirects to a host that the remote does not name', {
          reply: reply.statusCode,
        });
      const { range, 'accept-encoding': encoding = 'identity' } = request.headers ?? {};
      asked = {
        ...{ method: 'GET', origin: url.origin, target: `${url.pathname}${url.search}`, takesRedirects: true },
        headers: { 'accept-encoding': encoding, ...(range !== undefined && { range }) },
      };
    }
    throw new RemoteError('protocol', 'the server redirects again and again');
  }

  #sizeOf(entry: Entry): number | undefined {
    const text = textAt(entry, this.#remote.list.size);
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  #timeOf(entry: Entry): string | undefined {
    const { modifiedAt } = this.#remote.list;
    return modifiedAt === undefined ? undefined : timeOf(textAt(entry, modifiedAt));
  }
}

function valuesOf(path: string, record: Entry, next = ''): TemplateValues {
  const directory = path.slice(0, path.lastIndexOf('/') + 1);
  const name = path.slice(directory.length);
  const folder = directory.split('/').filter(Boolean).join('/');
  return { record, replies: {}, meta: { directory, folder, path, name, next } };
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textAt(value: unknown, path: string): string | undefined {
  const found = readPath(value, path);
  return isScalar(found) && found !== null ? String(found) : undefined;
}

function isHostOf(allowed: string, host: string): boolean {
  return allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed;
}
