/**
 * Files of a WebDAV server (RFC 4918). A file has no partial uploads: one that was cut off begins again.
 *
 * 1. What the server keeps under a name after a PUT that was cut off is its own affair: `write` compares sizes, and final names come by MOVE.
 * 2. DELETE of a directory deletes everything in it: only what is a file is deleted.
 */
import { encodedPath, type HttpsRequest, type HttpsRequests } from '../https/https-requests.ts';
import type { RemoteConnection, RemoteEntry, RemoteFile } from '../remote-connection.ts';
import { hasRemoteFault, RemoteError, type RemoteFault } from '../remote-error.ts';
import { type DavEntry, readMultistatus } from './read-multistatus.ts';

export const WEBDAV_FAULTS: Readonly<Record<number, RemoteFault>> = {
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

type DavRequest = Omit<HttpsRequest, 'target'>;

export class WebdavConnection implements RemoteConnection {
  readonly unsureTailBytes = WRITES_AGAIN;
  readonly #requests: HttpsRequests;

  constructor(requests: HttpsRequests) {
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

  read(path: string, offset = 0): AsyncIterable<Uint8Array> {
    return this.#requests.read({ target: encodedPath(path) }, offset);
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
    const headers = { destination: `${this.#requests.origin}${encodedPath(to)}`, overwrite: overwrite ? 'T' : 'F' };
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
    await this.#requests.close();
  }

  async *#find(path: string, depth: 0 | 1): AsyncIterable<DavEntry> {
    const { statusCode, body } = await this.#requests.ask('list the directory', {
      ...{ method: 'PROPFIND', target: encodedPath(path), body: PROPERTIES },
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
    yield* readMultistatus(this.#requests.received('list the directory', body));
  }

  async #done(doing: string, path: string, request: DavRequest): Promise<void> {
    const { statusCode } = await this.#requests.done(doing, { ...request, target: encodedPath(path) });
    // A part of it failed.
    if (statusCode === 207) throw new RemoteError('refused', `could not ${doing}`, { reply: statusCode });
  }

  /** Decoded; undefined where that is not a path of this server. A name that is not UTF-8 has U+FFFD. */
  #pathOf(href: string): string | undefined {
    const path = href.startsWith('/') ? href : URL.parse(href)?.pathname;
    if (path === undefined) return undefined;
    return path
      .split('/')
      .map((segment) => decodeSegment(segment))
      .join('/');
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '\ufffd';
  }
}
