/**
 * A storage account as Azure Blob Storage shows it, over a directory: its first level are containers. It checks what the service checks: the
 * signature of every request, the MD5 of every block, and that a commit names blocks that wait. Pages of a listing are short.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface BlobServerOptions {
  readonly host: string;
  readonly directory: string;
  readonly account: string;
  /** In base64. */
  readonly accountKey: string;
  readonly key: string;
  readonly certificate: string;
  /** A shared access signature, as a query: who has it needs no key. What is copied from must show it too. */
  readonly sas?: string;
}

export interface BlobServer {
  readonly port: number;
  /** Of the requests, as `PUT /in/a?comp=block`. */
  readonly requests: string[];
  /** The next request that begins so is carried out, and has no reply. */
  loseReplyTo(request: string): void;
  /** Runs before that connection is cut. */
  onLost(run: () => Promise<void>): void;
  stop(): Promise<void>;
}

const PAGE = 2;

class Refused extends Error {
  readonly status: number;

  constructor(status: number, code: string) {
    super(code);
    this.status = status;
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Below the account, decoded. */
  readonly path: string;
  readonly file: string;
  readonly body: Buffer;
}

export async function startBlobServer(options: BlobServerOptions): Promise<BlobServer> {
  const { host, directory, account } = options;
  const key = Buffer.from(options.accountKey, 'base64');
  const waiting = new Map<string, Map<string, Buffer>>();
  const facts = new Map<string, Record<string, string>>();
  const requests: string[] = [];
  let lost: string | undefined;
  let whenLost = async (): Promise<void> => {};

  const header = (request: IncomingMessage, name: string): string => String(request.headers[name] ?? '');
  const etagOf = async (file: string): Promise<string> => {
    const { size, mtimeMs, ino } = await stat(file);
    return `"${createHash('md5').update(`${size} ${mtimeMs} ${ino}`).digest('hex')}"`;
  };

  function showsSas(given: URLSearchParams): boolean {
    const words = [...new URLSearchParams(options.sas)];
    return words.length > 0 && words.every(([name, value]) => given.get(name) === value);
  }

  function authorize(request: IncomingMessage): void {
    if (showsSas(new URL(request.url ?? '', 'https://blob').searchParams)) return;
    const [rawPath = '', query = ''] = (request.url ?? '').split('?');
    const own = Object.keys(request.headers).filter((name) => name.startsWith('x-ms-'));
    const parameters = new URLSearchParams(query);
    const lines = [
      request.method,
      ...['content-encoding', 'content-language'].map((name) => header(request, name)),
      header(request, 'content-length').replace(/^0$/, ''),
      ...['content-md5', 'content-type', 'date', 'if-modified-since', 'if-match', 'if-none-match'].map((name) =>
        header(request, name),
      ),
      ...['if-unmodified-since', 'range'].map((name) => header(request, name)),
      ...own.sort().map((name) => `${name}:${header(request, name)}`),
      `/${account}${rawPath}`,
      ...[...parameters.keys()].sort().map((name) => `${name}:${parameters.get(name)}`),
    ];
    const expected = `SharedKey ${account}:${createHmac('sha256', key).update(lines.join('\n')).digest('base64')}`;
    const given = header(request, 'authorization');
    if (given.length !== expected.length || !timingSafeEqual(Buffer.from(given), Buffer.from(expected)))
      throw new Refused(403, 'AuthenticationFailed');
  }

  async function describe({ response, file }: Exchange): Promise<number> {
    const found = await stat(file).catch(() => undefined);
    if (found === undefined || !found.isFile()) throw new Refused(404, 'BlobNotFound');
    response.setHeader('last-modified', new Date(Math.floor(found.mtimeMs / 1_000) * 1_000).toUTCString());
    response.setHeader('etag', await etagOf(file));
    for (const [name, value] of Object.entries(facts.get(file) ?? {})) response.setHeader(name, value);
    return found.size;
  }

  async function list({ response, query, file: container }: Exchange): Promise<void> {
    const prefix = query.get('prefix') ?? '';
    const names = await readdir(join(container, prefix)).catch(() => []);
    const from = Number(query.get('marker') ?? '0');
    const most = Math.min(PAGE, Number(query.get('maxresults')));
    const entries = await Promise.all(
      names
        .sort()
        .slice(from, from + most)
        .map(async (name) => {
          const found = await stat(join(container, prefix, name));
          if (found.isDirectory()) return `<BlobPrefix><Name>${escaped(`${prefix}${name}/`)}</Name></BlobPrefix>`;
          const modified = new Date(Math.floor(found.mtimeMs / 1_000) * 1_000).toUTCString();
          return `<Blob><Name>${escaped(prefix + name)}</Name><Properties><Last-Modified>${modified}</Last-Modified><Content-Length>${found.size}</Content-Length></Properties></Blob>`;
        }),
    );
    const next = from + most < names.length ? String(from + most) : '';
    response.end(
      `\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>${entries.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
    );
  }

  async function mayWrite({ request, file }: Exchange): Promise<void> {
    const isThere = (await stat(file).catch(() => undefined)) !== undefined;
    if (header(request, 'if-none-match') === '*' && isThere) throw new Refused(409, 'BlobAlreadyExists');
  }

  function putBlock({ request, response, query, file, body }: Exchange): void {
    if (createHash('md5').update(body).digest('base64') !== header(request, 'content-md5'))
      throw new Refused(400, 'Md5Mismatch');
    const blocks = waiting.get(file) ?? new Map<string, Buffer>();
    waiting.set(file, blocks.set(query.get('blockid') ?? '', body));
    response.writeHead(201).end();
  }

  async function commit(exchange: Exchange): Promise<void> {
    const { request, response, file, body } = exchange;
    await mayWrite(exchange);
    const ids = [...body.toString().matchAll(/<Uncommitted>([^<]+)</g)].map(([, id = '']) => id);
    const blocks = ids.map((id) => waiting.get(file)?.get(id));
    if (blocks.some((block) => block === undefined)) throw new Refused(400, 'InvalidBlockList');
    await writeFile(file, Buffer.concat(blocks as Buffer[]));
    waiting.delete(file);
    const own = Object.entries(request.headers).filter(([name]) => name.startsWith('x-ms-meta-'));
    facts.set(file, Object.fromEntries(own.map(([name, value]) => [name, String(value)])));
    response.writeHead(201).end();
  }

  async function copy(exchange: Exchange): Promise<void> {
    const { request, response, file } = exchange;
    await mayWrite(exchange);
    const source = new URL(header(request, 'x-ms-copy-source'));
    if (header(request, 'authorization') === '' && !showsSas(source.searchParams))
      throw new Refused(401, 'NoAuthenticationInformation');
    const from = join(directory, decodeURIComponent(source.pathname.slice(account.length + 1)));
    if ((await etagOf(from)) !== header(request, 'x-ms-source-if-match'))
      throw new Refused(412, 'SourceConditionNotMet');
    const { atime, mtime } = await stat(from);
    await writeFile(file, createReadStream(from));
    await utimes(file, atime, mtime);
    facts.set(file, {
      ...facts.get(from),
      'x-ms-copy-source': `${source.origin}${source.pathname}`,
      'x-ms-copy-status': 'success',
    });
    response.writeHead(202, { 'x-ms-copy-status': 'success' }).end();
  }

  async function read(exchange: Exchange): Promise<void> {
    const { request, response, file } = exchange;
    const size = await describe(exchange);
    const first = Number(/^bytes=(\d+)-$/.exec(header(request, 'x-ms-range'))?.[1] ?? '0');
    if (first > 0 && first >= size) throw new Refused(416, 'InvalidRange');
    if (first > 0) response.setHeader('content-range', `bytes ${first}-${size - 1}/${size}`);
    response.writeHead(first > 0 ? 206 : 200, { 'content-length': size - first });
    if (request.method === 'HEAD') response.end();
    else createReadStream(file, { start: first }).pipe(response);
  }

  async function remove(exchange: Exchange): Promise<void> {
    await describe(exchange);
    const expected = header(exchange.request, 'if-match');
    if (expected !== '' && expected !== (await etagOf(exchange.file))) throw new Refused(412, 'ConditionNotMet');
    await rm(exchange.file);
    exchange.response.writeHead(202).end();
  }

  async function answer(exchange: Exchange): Promise<void> {
    const { request, response, query, file } = exchange;
    const does = `${request.method} ${query.get('comp') ?? ''}`;
    if (does === 'GET list') return await list(exchange);
    if (does === 'PUT block') return putBlock(exchange);
    if (does === 'PUT blocklist') return await commit(exchange);
    if (does === 'GET blocklist') {
      const blocks = waiting.get(file);
      if (blocks === undefined && (await stat(file).catch(() => undefined)) === undefined)
        throw new Refused(404, 'BlobNotFound');
      const shown = [...(blocks ?? [])].map(
        ([id, bytes]) => `<Block><Name>${id}</Name><Size>${bytes.length}</Size></Block>`,
      );
      return void response.end(
        `<?xml version="1.0"?><BlockList><UncommittedBlocks>${shown.join('')}</UncommittedBlocks></BlockList>`,
      );
    }
    if (request.method === 'PUT' && request.headers['x-ms-copy-source'] !== undefined) return await copy(exchange);
    if (request.method === 'DELETE') return await remove(exchange);
    if (request.method === 'GET' || request.method === 'HEAD') return await read(exchange);
    throw new Refused(400, 'UnsupportedHttpVerb');
  }

  const server = createServer({ key: options.key, cert: options.certificate }, async (request, response) => {
    const url = new URL(request.url ?? '', 'https://blob');
    const path = decodeURIComponent(url.pathname.slice(account.length + 1));
    const comp = url.searchParams.get('comp');
    const name = `${request.method} ${path}${comp === null ? '' : `?comp=${comp}`}`;
    requests.push(name);
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request) pieces.push(piece);
      authorize(request);
      if (lost !== undefined && name.startsWith(lost)) {
        lost = undefined;
        response.end = () => {
          void whenLost().finally(() => request.socket.destroy());
          return response;
        };
      }
      const body = Buffer.concat(pieces);
      await answer({ request, response, query: url.searchParams, path, file: join(directory, path), body });
    } catch (error) {
      if (!(error instanceof Refused)) return void request.socket.destroy();
      response.writeHead(error.status, { 'x-ms-error-code': error.message }).end();
    }
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    loseReplyTo(request) {
      lost = request;
    },
    onLost(run) {
      whenLost = async () => {
        whenLost = async () => {};
        await run();
      };
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
