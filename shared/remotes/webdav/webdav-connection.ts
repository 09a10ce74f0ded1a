/**
 * Files of a WebDAV server (RFC 4918). A file has no partial uploads: one that was cut off begins again.
 *
 * 1. What the server keeps under a name after a PUT that was cut off is its own affair: `write` compares sizes, and final names come by MOVE.
 * 2. DELETE of a directory deletes everything in it: only what is a file is deleted.
 */
import type { Client, Dispatcher } from 'undici';
import type { RemoteConnection, RemoteEntry, RemoteFile, RemoteIdentity } from '../remote-connection.ts';
import { hasRemoteFault, RemoteError, type RemoteFault } from '../remote-error.ts';
import { type DavEntry, readMultistatus } from './read-multistatus.ts';

export interface WebdavConnectionOptions {
  readonly client: Client;
  readonly origin: string;
  readonly authorization: string;
  /** Of the last socket. */
  readonly identity: () => RemoteIdentity | undefined;
}

const FAULTS: Readonly<Record<number, RemoteFault>> = {
  401: 'auth-failed',
  403: 'denied',
  404: 'path-gone',
  405: 'denied',
  // The directory above is not there.
  409: 'path-gone',
  410: 'path-gone',
  412: 'exists',
  423: 'denied',
  429: 'busy',
  503: 'busy',
  507: 'no-space',
};
const PROPERTIES =
  '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>';
const WRITES_AGAIN = Number.MAX_SAFE_INTEGER;

interface DavRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | AsyncIterable<Uint8Array>;
}

export class WebdavConnection implements RemoteConnection {
  readonly unsureTailBytes = WRITES_AGAIN;
  readonly #client: Client;
  readonly #origin: string;
  readonly #authorization: string;
  readonly #identity: () => RemoteIdentity | undefined;

  constructor({ client, origin, authorization, identity }: WebdavConnectionOptions) {
    this.#client = client;
    this.#origin = origin;
    this.#authorization = authorization;
    this.#identity = identity;
  }

  get fingerprint(): string {
    return this.#identity()?.fingerprint ?? '';
  }

  get certificateEndsAt(): string | undefined {
    return this.#identity()?.certificateEndsAt;
  }

  get isUsable(): boolean {
    return !this.#client.destroyed && !this.#client.closed;
  }

  /** What the directory is does not matter here: that the server lets us in does. */
  async logIn(directory: string): Promise<void> {
    try {
      for await (const _entry of this.#find(directory, 0));
    } catch (error) {
      if (!hasRemoteFault(error, 'path-gone', 'denied')) throw error;
      if (error.reply === 405) throw new RemoteError('protocol', 'the server does not speak WebDAV', { reply: 405 });
    }
  }

  async *list(directory: string): AsyncIterable<RemoteEntry> {
    for await (const { href, isCollection, sizeBytes, modifiedAt } of this.#find(directory, 1)) {
      const path = this.#pathOf(href);
      const name = path?.replace(/\/$/, '').slice(directory.length);
      // Itself, or nothing of this directory.
      if (path === undefined || !path.startsWith(directory) || !name) continue;
      yield { name, kind: isCollection ? 'directory' : 'file', sizeBytes: isCollection ? 0 : sizeBytes, modifiedAt };
    }
  }

  async stat(path: string): Promise<RemoteFile | undefined> {
    let found: DavEntry | undefined;
    try {
      for await (const entry of this.#find(path, 0)) found ??= entry;
    } catch (error) {
      if (hasRemoteFault(error, 'path-gone')) return undefined;
      throw error;
    }
    if (found === undefined || found.isCollection) return undefined;
    if (found.sizeBytes === undefined) throw new RemoteError('protocol', 'the server does not tell the size of a file');
    return { sizeBytes: found.sizeBytes, modifiedAt: found.modifiedAt };
  }

  async *read(path: string, offset = 0): AsyncIterable<Uint8Array> {
    const headers = { 'accept-encoding': 'identity', ...(offset > 0 && { range: `bytes=${offset}-` }) };
    const { statusCode, headers: replied, body } = await this.#ask('read the file', path, { method: 'GET', headers });
    if (statusCode === 416) return await body.dump();
    const isEncoded = replied['content-encoding'] !== undefined && replied['content-encoding'] !== 'identity';
    if (isEncoded || (statusCode !== 200 && statusCode !== 206)) {
      body.destroy();
      throw new RemoteError('protocol', 'the server does not give the bytes of the file', { reply: statusCode });
    }
    // Some servers know no ranges.
    let skipped = statusCode === 206 ? offset : 0;
    if (statusCode === 206 && !`${replied['content-range']}`.startsWith(`bytes ${offset}-`)) {
      body.destroy();
      throw new RemoteError('protocol', 'the server gives another part of the file than was asked for');
    }
    for await (const piece of this.#received('read the file', body)) {
      const left = piece.subarray(Math.min(piece.length, offset - skipped));
      skipped += piece.length - left.length;
      if (left.length > 0) yield left;
    }
  }

  async write(
    path: string,
    body: AsyncIterable<Uint8Array>,
    { offset = 0, sizeBytes }: { readonly offset?: number; readonly sizeBytes?: number } = {},
  ): Promise<number> {
    if (offset > 0) throw new RemoteError('refused', 'a WebDAV server takes whole files only');
    let written = 0;
    let failure: { readonly error: unknown } | undefined;
    async function* counted(): AsyncIterable<Uint8Array> {
      try {
        for await (const piece of body) {
          written += piece.byteLength;
          yield piece;
        }
      } catch (error) {
        failure = { error };
        throw error;
      }
    }
    // Many servers want to know the length before.
    const headers: Record<string, string> = sizeBytes === undefined ? {} : { 'content-length': String(sizeBytes) };
    try {
      await this.#done('write the file', path, { method: 'PUT', headers, body: counted() });
    } catch (error) {
      throw failure === undefined ? error : failure.error;
    }
    return written;
  }

  async rename(from: string, to: string, { overwrite = false } = {}): Promise<void> {
    const headers = { destination: `${this.#origin}${encoded(to)}`, overwrite: overwrite ? 'T' : 'F' };
    try {
      await this.#done('rename the file', from, { method: 'MOVE', headers });
    } catch (error) {
      // Some say so of a file that is not there.
      if (!hasRemoteFault(error, 'denied') || (await this.stat(from)) !== undefined) throw error;
      throw new RemoteError('path-gone', 'could not rename the file');
    }
  }

  async remove(path: string): Promise<void> {
    if ((await this.stat(path)) === undefined) throw new RemoteError('path-gone', 'could not remove the file');
    await this.#done('remove the file', path, { method: 'DELETE' });
  }

  async close(): Promise<void> {
    await this.#client.destroy().catch(() => {});
  }

  async *#find(path: string, depth: 0 | 1): AsyncIterable<DavEntry> {
    const { statusCode, body } = await this.#ask('list the directory', path, {
      ...{ method: 'PROPFIND', body: PROPERTIES },
      headers: {
        depth: String(depth),
        'content-type': 'application/xml; charset=utf-8',
        'accept-encoding': 'identity',
      },
    });
    if (statusCode !== 207) {
      body.destroy();
      throw new RemoteError('protocol', 'the server does not speak WebDAV', { reply: statusCode });
    }
    yield* readMultistatus(this.#received('list the directory', body));
  }

  /** Of what has no reply but its status. */
  async #done(doing: string, path: string, request: DavRequest): Promise<void> {
    const { statusCode, body } = await this.#ask(doing, path, request);
    await body.dump();
    // 207: a part of it failed.
    if (statusCode === 207) throw new RemoteError('refused', `could not ${doing}`, { reply: statusCode });
  }

  async #ask(
    doing: string,
    path: string,
    { method, headers = {}, body }: DavRequest,
  ): Promise<Dispatcher.ResponseData> {
    let reply: Dispatcher.ResponseData;
    try {
      reply = await this.#client.request({
        ...{ method: method as Dispatcher.HttpMethod, path: encoded(path), body: (body as never) ?? null },
        headers: { ...headers, authorization: this.#authorization },
      });
    } catch (error) {
      throw this.#lost(doing, error);
    }
    const { statusCode } = reply;
    if (statusCode < 300 || statusCode === 416) return reply;
    await reply.body.dump();
    throw new RemoteError(FAULTS[statusCode] ?? 'refused', `could not ${doing}`, { reply: statusCode });
  }

  async *#received(doing: string, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      throw this.#lost(doing, error);
    }
  }

  #lost(doing: string, error: unknown): RemoteError {
    this.#client.destroy().catch(() => {});
    if (error instanceof RemoteError) return error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (/TIMEOUT/.test(code)) return new RemoteError('stalled', `could not ${doing}: nothing came from the server`);
    if (/HPE_|PARSER/.test(code)) return new RemoteError('protocol', `could not ${doing}: the reply is not HTTP`);
    return new RemoteError('lost', `could not ${doing}: the connection ended`);
  }

  /** Decoded; undefined where that is no path of this server. A name that is not UTF-8 has U+FFFD. */
  #pathOf(href: string): string | undefined {
    const path = href.startsWith('/') ? href : URL.parse(href)?.pathname;
    if (path === undefined) return undefined;
    return path
      .split('/')
      .map((segment) => decodeSegment(segment))
      .join('/');
  }
}

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '\ufffd';
  }
}
