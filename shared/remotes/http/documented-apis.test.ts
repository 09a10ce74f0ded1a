/** The definitions on the page about HTTP sources, against servers that answer as the documentation of those services says. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { makeAuthority } from '#testkit/servers/make-certificates.ts';
import { openRemote, readRemoteSecrets } from '../open-remote.ts';
import type { RemoteConnection } from '../remote-connection.ts';

const HOST = '127.0.0.1';
const page = readFileSync(new URL('../../../docs/guides/http-sources.md', import.meta.url), 'utf8');
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** The definition under a heading; the first of the page where there is none. */
function definitionOf(heading: string | undefined): Record<string, unknown> {
  const text = heading === undefined ? page : (page.split(`\n## ${heading}\n`)[1] ?? '');
  const yaml = /```yaml\n(.*?)```/s.exec(text)?.[1] ?? '';
  return heading === undefined ? parseAllDocuments(yaml)[0]?.toJS() : parse(yaml);
}

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface StoredFile {
  readonly id: string;
  readonly name: string;
  readonly content: Buffer;
}

interface Vendor {
  readonly heading: string | undefined;
  readonly tokenPath: string;
  readonly folder: string;
  /** What an access token request has to have. */
  readonly form: Readonly<Record<string, string>>;
  /** False: not its request. Pages have two entries. */
  answer(asked: Asked, files: Map<string, StoredFile>, response: ServerResponse, away: string): boolean;

  /** What it says of a file that is gone. */
  gone(response: ServerResponse): void;
}

const MODIFIED = '2026-03-04T05:06:07Z';
const json = (response: ServerResponse, value: unknown, status = 200): true => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  return true;
};
const status = (response: ServerResponse, code: number, headers: Record<string, string> = {}): true => {
  response.writeHead(code, headers).end();
  return true;
};
const give = ({ headers }: Asked, response: ServerResponse, { content }: StoredFile): true => {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? '0');
  if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` });
  response.end(content.subarray(from));
  return true;
};
const pageOf = (
  files: Map<string, StoredFile>,
  token: string | null,
): { some: StoredFile[]; next: string | undefined } => {
  const at = Number(token?.replace('page-', '') || '0');
  const all = [...files.values()];
  return { some: all.slice(at, at + 2), next: at + 2 < all.length ? `page-${at + 2}` : undefined };
};

/** https://developer.box.com/reference/ */
const box: Vendor = {
  ...{ heading: undefined, tokenPath: '/oauth2/token', folder: '/160839112/' },
  form: { grant_type: 'client_credentials', box_subject_type: 'enterprise', client_secret: 'hush-client' },
  gone: (response) => json(response, { type: 'error', status: 404, code: 'trashed' }, 404),
  answer(asked, files, response, away) {
    const { pathname, searchParams } = asked.url;
    const entryOf = ({ id, name, content }: StoredFile) => ({
      ...{ type: 'file', id, name, size: content.length, modified_at: '2026-03-03T21:06:07-08:00' },
    });
    if (pathname === '/2.0/folders/160839112/items') {
      if (searchParams.get('usemarker') !== 'true') return status(response, 400);
      const { some, next } = pageOf(files, searchParams.get('marker'));
      const entries = [...some.map(entryOf), { type: 'folder', id: '1', name: 'below.csv' }];
      return json(response, { entries, limit: 100, next_marker: next ?? '' });
    }
    const [, id = '', isContent] = /^\/2\.0\/files\/([^/]+)(\/content)?$/.exec(pathname) ?? [];
    const link = /^\/d\/1\/(.*)\/download$/.exec(pathname);
    if (link !== null) {
      // A link is of those who have it: who asks says nothing of itself.
      if (asked.headers.authorization !== undefined) return status(response, 400);
      const file = files.get(link[1] ?? '');
      return file === undefined ? status(response, 404) : give(asked, response, file);
    }
    if (id === '') return false;
    const file = files.get(id);
    if (file === undefined) return this.gone(response) === undefined || true;
    if (asked.method === 'DELETE') {
      files.delete(id);
      return status(response, 204);
    }
    if (isContent === undefined) return json(response, entryOf(file));
    return status(response, 302, { location: `${away}/d/1/${id}/download` });
  },
};

/** https://learn.microsoft.com/graph/api/resources/driveitem */
const oneDrive: Vendor = {
  ...{ heading: 'OneDrive and SharePoint', tokenPath: '/TENANT/oauth2/v2.0/token', folder: '/statements/' },
  form: { grant_type: 'client_credentials', scope: 'https://graph.microsoft.com/.default', client_id: 'c1' },
  gone: (response) => json(response, { error: { code: 'itemNotFound', message: 'hush' } }, 404),
  answer(asked, files, response, away) {
    const { pathname, searchParams, origin } = asked.url;
    const entryOf = ({ id, name, content }: StoredFile) => ({
      ...{ '@microsoft.graph.downloadUrl': 'https://x.sharepoint.com/hush', id, name, size: content.length },
      ...{ lastModifiedDateTime: MODIFIED, file: { mimeType: 'text/csv', hashes: { quickXorHash: 'x' } } },
    });
    if (pathname === '/v1.0/drives/DRIVE/root:/statements:/children') {
      const { some, next } = pageOf(files, searchParams.get('$skiptoken'));
      const folder = { id: 'f', name: 'below.csv', size: 7, lastModifiedDateTime: MODIFIED, folder: { childCount: 1 } };
      return json(response, {
        '@odata.context': `${origin}/v1.0/$metadata#Collection(driveItem)`,
        ...(next !== undefined && { '@odata.nextLink': `${origin}${pathname}?$skiptoken=${next}` }),
        value: [...some.map(entryOf), folder],
      });
    }
    const [, id = '', isContent] = /^\/v1\.0\/drives\/DRIVE\/items\/([^/]+)(\/content)?$/.exec(pathname) ?? [];
    const link = /^\/download\/(.*)$/.exec(pathname);
    if (link !== null) {
      const file = files.get(link[1] ?? '');
      if (asked.headers.authorization !== undefined || file === undefined) return status(response, 401);
      return give(asked, response, file);
    }
    if (id === '') return false;
    const file = files.get(id);
    if (file === undefined) return this.gone(response) === undefined || true;
    if (asked.method === 'DELETE') {
      files.delete(id);
      return status(response, 204);
    }
    if (isContent === undefined) return json(response, entryOf(file));
    return status(response, 302, { location: `${away}/download/${id}` });
  },
};

/** https://developers.google.com/workspace/drive/api/reference/rest/v3/files */
const drive: Vendor = {
  ...{ heading: 'Google Drive', tokenPath: '/token', folder: '/FOLDER/' },
  form: { grant_type: 'refresh_token', refresh_token: 'hush-refresh', client_secret: 'hush-client' },
  gone: (response) => json(response, { error: { code: 404, errors: [{ reason: 'notFound' }] } }, 404),
  answer(asked, files, response) {
    const { pathname, searchParams } = asked.url;
    const entryOf = ({ id, name, content }: StoredFile) => ({
      id,
      name,
      size: String(content.length),
      modifiedTime: '2026-03-04T05:06:07.891Z',
    });
    if (pathname === '/drive/v3/files') {
      if (searchParams.get('q') !== "'FOLDER' in parents and trashed = false") return status(response, 400);
      const { some, next } = pageOf(files, searchParams.get('pageToken'));
      // What is written in Google Docs has no size and no bytes.
      const listed = [...some.map(entryOf), { id: 'doc', name: 'minutes.csv', modifiedTime: MODIFIED }];
      return json(response, { ...(next !== undefined && { nextPageToken: next }), files: listed });
    }
    const id = /^\/drive\/v3\/files\/([^/]+)$/.exec(pathname)?.[1];
    if (id === undefined) return false;
    const file = files.get(id);
    if (file === undefined) return this.gone(response) === undefined || true;
    if (asked.method === 'DELETE') {
      files.delete(id);
      return status(response, 204);
    }
    return searchParams.get('alt') === 'media' ? give(asked, response, file) : json(response, entryOf(file));
  },
};

/** https://www.dropbox.com/developers/documentation/http/documentation */
const dropbox: Vendor = {
  ...{ heading: 'Dropbox', tokenPath: '/oauth2/token', folder: '/statements/' },
  form: { grant_type: 'refresh_token', refresh_token: 'hush-refresh' },
  gone: (response) =>
    json(
      response,
      { error_summary: 'path/not_found/..', error: { '.tag': 'path', path: { '.tag': 'not_found' } } },
      409,
    ),
  answer(asked, files, response) {
    const { pathname } = asked.url;
    if (asked.method !== 'POST') return status(response, 400);
    const entryOf = ({ id, name, content }: StoredFile) => ({
      ...{ '.tag': 'file', id: `id:${id}`, name, size: content.length, server_modified: MODIFIED },
      ...{ path_lower: `/statements/${name}`, rev: '1', is_downloadable: true },
    });
    const listed = (token: string | null): true => {
      const { some, next } = pageOf(files, token);
      const entries = [...some.map(entryOf), { '.tag': 'folder', id: 'id:f', name: 'below.csv' }];
      return json(response, { entries, cursor: next ?? 'end', has_more: next !== undefined });
    };
    const argument = asked.headers['dropbox-api-arg'] ?? asked.body;
    const said = argument === '' ? {} : JSON.parse(String(argument));
    if (pathname === '/2/files/list_folder') return said.path === '/statements' ? listed(null) : status(response, 409);
    if (pathname === '/2/files/list_folder/continue') return listed(said.cursor);
    const file = files.get(String(said.path).replace('id:', ''));
    if (file === undefined) return this.gone(response) === undefined || true;
    if (pathname === '/2/files/get_metadata') return json(response, entryOf(file));
    if (pathname === '/2/files/download') return give(asked, response, file);
    if (pathname !== '/2/files/delete_v2') return false;
    files.delete(file.id);
    return json(response, { metadata: entryOf(file) });
  },
};

interface Bed {
  readonly connection: RemoteConnection;
  readonly files: Map<string, StoredFile>;
  /** Tokens that are good. */
  readonly tokens: Set<string>;
  readonly asked: string[];
  /** Answers the next requests in place of the service. */
  readonly instead: ((asked: Asked, response: ServerResponse) => boolean)[];
}

async function connect(vendor: Vendor): Promise<Bed> {
  const names = ['a.csv', 'b & c.csv', 'd.csv', 'é.csv', 'z.csv'];
  const files = new Map(names.map((name, at) => [`n${at}`, { id: `n${at}`, name, content: randomBytes(50_000 + at) }]));
  const bed = { files, tokens: new Set<string>(), asked: [] as string[], instead: [] as Bed['instead'] };
  const issuer = await makeAuthority('Vendor CA');
  const own = await issuer.issue(HOST);
  let made = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const { method = '', headers } = request;
    const asked = {
      method,
      headers,
      url: new URL(request.url ?? '', `https://${headers.host}`),
      body: String(Buffer.concat(pieces)),
    };
    bed.asked.push(`${method} ${asked.url.pathname}`);
    if (asked.url.pathname === vendor.tokenPath) {
      const form = new URLSearchParams(asked.body);
      if (Object.entries(vendor.form).some(([name, value]) => form.get(name) !== value))
        return void json(response, { error: 'invalid_client' }, 401);
      made += 1;
      bed.tokens.add(`token-${made}`);
      return void json(response, { access_token: `token-${made}`, token_type: 'bearer', expires_in: 3_600 });
    }
    if (bed.instead[0]?.(asked, response) === true) return void bed.instead.shift();
    const isLink = /^\/(?:d\/1|download)\//.test(asked.url.pathname);
    if (!isLink && !bed.tokens.has(String(headers.authorization).replace('Bearer ', '')))
      return void json(response, { error: 'expired_access_token' }, 401);
    if (!vendor.answer(asked, files, response, `https://${HOST}:${awayPort}`)) response.writeHead(404).end();
  };
  async function serve(): Promise<number> {
    const server = createServer(
      { key: own.key, cert: own.certificate },
      (request, response) => void handle(request, response),
    );
    server.listen(0, HOST);
    await once(server, 'listening');
    stops.push(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    return (server.address() as AddressInfo).port;
  }
  // Links lead to another server.
  const [port, awayPort] = await Promise.all([serve(), serve()]);

  const shown = definitionOf(vendor.heading) as { auth: Record<string, string>; fetch: Record<string, string> };
  const tokenPath = new URL(shown.auth.tokenUrl ?? '').pathname;
  expect(tokenPath).toBe(vendor.tokenPath);
  const remote = remoteDocumentSchema.parse({
    ...{ kind: 'remote', tenant: 'acme', name: 'vendor', type: 'http', ...shown },
    // The address alone is another one.
    ...{ host: HOST, port, tls: { authority: 'vendor-ca' }, redirects: [HOST] },
    auth: { ...shown.auth, tokenUrl: `https://${HOST}:${port}${tokenPath}` },
    // Bytes come from the same server here.
    fetch: { ...shown.fetch, host: undefined },
  });
  const secrets: Record<string, string> = { 'vendor-ca': issuer.certificate };
  for (const [key, name] of Object.entries(shown.auth))
    if (key === 'clientSecret' || key === 'refreshToken')
      secrets[name] = key === 'clientSecret' ? 'hush-client' : 'hush-refresh';
  const store = { read: async (name: string) => ({ text: secrets[name] ?? '', version: '1' }) };
  const connection = await openRemote(remote, await readRemoteSecrets(remote, store), {
    guard: createAddressGuard({ allow: ['127.0.0.0/8', '::1'] }),
  });
  stops.push(() => connection.close());
  return { ...bed, connection };
}

async function gather<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe.each([
  ['Box', box],
  ['OneDrive', oneDrive],
  ['Google Drive', drive],
  ['Dropbox', dropbox],
] as const)('%s, as on the page', (_name, vendor) => {
  test('lists all pages, fetches whole files and rests of them, and removes', async () => {
    const { connection, files } = await connect(vendor);
    const listed = await gather(connection.list(vendor.folder));
    expect(listed.map(({ name, sizeBytes, modifiedAt }) => [name, sizeBytes, modifiedAt])).toEqual(
      [...files.values()].map(({ name, content }) => [name, content.length, MODIFIED]),
    );
    for (const { name, content } of [...files.values()]) {
      const path = `${vendor.folder}${name}`;
      expect(await connection.stat(path)).toEqual({ sizeBytes: content.length, modifiedAt: MODIFIED });
      expect(Buffer.concat(await gather(connection.read(path))).equals(content)).toBe(true);
      expect(Buffer.concat(await gather(connection.read(path, 40_000))).equals(content.subarray(40_000))).toBe(true);
      await connection.remove(path);
      expect(await connection.stat(path)).toBeUndefined();
    }
    expect(files.size).toBe(0);
  });

  test('a token that ends in the middle is asked for again, once', async () => {
    const { connection, tokens, asked } = await connect(vendor);
    await gather(connection.list(vendor.folder));
    tokens.clear();
    expect(await connection.stat(`${vendor.folder}a.csv`)).toBeDefined();
    expect(asked.filter((each) => each === `POST ${vendor.tokenPath}`)).toHaveLength(2);
  });

  test('access that was taken away is refused after one further token', async () => {
    const { connection, instead, asked } = await connect(vendor);
    await gather(connection.list(vendor.folder));
    const refuse = (_asked: Asked, response: ServerResponse): boolean => status(response, 401);
    instead.push(refuse, refuse, refuse, refuse);
    await expect(connection.stat(`${vendor.folder}a.csv`)).rejects.toMatchObject({ code: 'REMOTE_AUTH_FAILED' });
    expect(instead).toHaveLength(2);
    expect(asked.filter((each) => each === `POST ${vendor.tokenPath}`)).toHaveLength(2);
  });

  test('a 429 says that it is busy, and for how long', async () => {
    const { connection, instead } = await connect(vendor);
    await gather(connection.list(vendor.folder));
    instead.push((_asked, response) => status(response, 429, { 'retry-after': '120' }));
    await expect(connection.stat(`${vendor.folder}a.csv`)).rejects.toMatchObject({
      ...{ code: 'REMOTE_BUSY', retryAfterMs: 120_000 },
    });
  });

  test('a file that is gone since it was listed is gone, and not a fault', async () => {
    const { connection, files } = await connect(vendor);
    await gather(connection.list(vendor.folder));
    files.delete('n0');
    const path = `${vendor.folder}a.csv`;
    expect(await connection.stat(path)).toBeUndefined();
    await gather(connection.list(vendor.folder));
    files.delete('n1');
    await expect(gather(connection.read(`${vendor.folder}b & c.csv`))).rejects.toMatchObject({
      code: 'REMOTE_PATH_GONE',
    });
    await expect(connection.remove(`${vendor.folder}b & c.csv`)).rejects.toMatchObject({ code: 'REMOTE_PATH_GONE' });
  });
});

test('a link that has ended is asked for again by the next try', async () => {
  const { connection, instead, files } = await connect(box);
  await gather(connection.list(box.folder));
  instead.push(({ url }, response) => url.pathname.startsWith('/d/1/') && status(response, 403));
  const path = `${box.folder}a.csv`;
  await expect(gather(connection.read(path))).rejects.toMatchObject({ reply: 403 });
  const content = files.get('n0')?.content ?? Buffer.alloc(0);
  expect(Buffer.concat(await gather(connection.read(path, 100))).equals(content.subarray(100))).toBe(true);
});

test('Drive says by 403 that too much was asked, which is not a file that may not be read', async () => {
  const { connection, instead } = await connect(drive);
  await gather(connection.list(drive.folder));
  const said = (reason: string) => ({ error: { code: 403, errors: [{ domain: 'usageLimits', reason }] } });
  instead.push((_asked, response) => json(response, said('userRateLimitExceeded'), 403));
  await expect(connection.stat(`${drive.folder}a.csv`)).rejects.toMatchObject({ code: 'REMOTE_BUSY' });
  instead.push((_asked, response) => json(response, said('insufficientFilePermissions'), 403));
  await expect(connection.stat(`${drive.folder}a.csv`)).rejects.toMatchObject({ code: 'REMOTE_DENIED' });
});
