/** Files of an HTTP API: found by its listing, page by page, and fetched by what was listed. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { remoteDocumentSchema } from '#shared/definitions/remote-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { makeAuthority } from '#testkit/servers/make-certificates.ts';
import { openRemote, readRemoteSecrets } from '../open-remote.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;
const HOST = '127.0.0.1';
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Api {
  readonly port: number;
  readonly authority: string;
  readonly asked: string[];
}

async function startApi(answer: Answer): Promise<Api> {
  const authority = await makeAuthority('Partner CA');
  const { key, certificate } = await authority.issue(HOST);
  const asked: string[] = [];
  const server = createServer({ key, cert: certificate }, async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    asked.push(`${request.method} ${request.url}`);
    answer(request, response, String(Buffer.concat(pieces)));
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  stops.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { port: (server.address() as AddressInfo).port, authority: authority.certificate, asked };
}

async function open({ port, authority }: Api, fields: object) {
  const remote = remoteDocumentSchema.parse({
    ...{ kind: 'remote', tenant: 'acme', name: 'api', type: 'http', host: HOST, port, paths: ['/4711/'] },
    ...{ auth: { type: 'static', prefix: 'Bearer ', secret: 'api-token' }, tls: { authority: 'api-ca' } },
    ...fields,
  });
  const secrets: Record<string, string> = { 'api-token': 'hush', 'api-ca': authority, 'api-refresh': 'hush-refresh' };
  const store = { read: async (name: string) => ({ text: secrets[name] ?? '', version: '1' }) };
  const connection = await openRemote(remote, await readRemoteSecrets(remote, store), {
    guard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
  });
  stops.push(() => connection.close());
  return connection;
}

async function gather<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const content = randomBytes(100_000);
const FILES = ['a.csv', 'b c.csv', 'd.csv'].map((name, index) => ({
  ...{ type: 'file', id: `${index}`, name, size: content.length, modified_at: '2026-03-04T05:06:07-08:00' },
}));
const json = (response: ServerResponse, value: unknown) => response.end(JSON.stringify(value));

/** Two entries a page, the last after a token. */
const box: Answer = (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '', 'https://box');
  if (request.headers.authorization !== 'Bearer hush') return void response.writeHead(401).end();
  const entries = [{ type: 'folder', id: '9', name: 'below', size: 1 }, ...FILES];
  if (pathname === '/2.0/folders/4711/items') {
    const from = Number(searchParams.get('marker') ?? '0');
    return void json(response, { entries: entries.slice(from, from + 2), next_marker: from + 2 < 4 ? from + 2 : null });
  }
  const [, id, what] = /^\/2\.0\/files\/(\d+)(\/content)?$/.exec(pathname) ?? [];
  const file = FILES.find((each) => each.id === id);
  if (file === undefined) return void response.writeHead(404).end();
  if (request.method === 'DELETE') return void response.writeHead(204).end();
  if (what === undefined) return void json(response, file);
  response.writeHead(302, { location: `${searchParams.get('to') ?? ''}/download/${id}` }).end();
};
const BOX = {
  list: {
    path: '/2.0/folders/{{ meta.folder }}/items',
    query: { fields: 'type,name,size,modified_at', usemarker: 'true', marker: '{{ meta.next }}' },
    ...{ entries: 'entries', modifiedAt: 'modified_at', only: { type: 'file' }, next: { token: 'next_marker' } },
  },
  entry: { path: '/2.0/files/{{ record.id }}' },
  fetch: { path: '/2.0/files/{{ record.id }}/content' },
  remove: { method: 'DELETE', path: '/2.0/files/{{ record.id }}' },
};

/** Gives ranges, and nothing to those who say who they are. */
const download: Answer = (request, response) => {
  if (request.headers.authorization !== undefined) return void response.writeHead(400).end();
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? '0');
  if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` });
  response.end(content.subarray(from));
};

test('files are listed over pages, looked at, fetched from any place by a redirection, and removed', async () => {
  const away = await startApi(download);
  const api = await startApi((request, response, body) => {
    const url = new URL(request.url ?? '', 'https://box');
    if (url.pathname.endsWith('/content')) url.searchParams.set('to', `https://localhost:${away.port}`);
    request.url = `${url.pathname}${url.search}`;
    box(request, response, body);
  });
  const both = { ...api, authority: `${api.authority}\n${away.authority}` };
  const refused = await open(both, { ...BOX, redirects: ['*.example.com'] });
  await expect(gather(refused.read('/4711/a.csv'))).rejects.toMatchObject({ code: 'REMOTE_PLACE_REFUSED' });

  const connection = await open(api, BOX);
  expect(await gather(connection.list('/4711/'))).toEqual(
    FILES.map(({ name }) => ({ name, kind: 'file', sizeBytes: content.length, modifiedAt: '2026-03-04T13:06:07Z' })),
  );
  api.asked.length = 0;
  expect(await connection.stat('/4711/b c.csv')).toEqual({
    ...{ sizeBytes: content.length, modifiedAt: '2026-03-04T13:06:07Z' },
  });
  expect(api.asked).toEqual(['GET /2.0/files/1']);
  expect(await connection.stat('/4711/nothing')).toBeUndefined();
  await connection.remove('/4711/a.csv');
  expect(api.asked.at(-1)).toBe('DELETE /2.0/files/0');
  await expect(connection.remove('/4711/nothing')).rejects.toMatchObject({ code: 'REMOTE_PATH_GONE' });
  await expect(connection.write('/4711/a.csv', gatherNothing())).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
});

async function* gatherNothing(): AsyncGenerator<Uint8Array> {}

test('a file is fetched by POST, with what was listed in a header; its last bytes are asked for alone', async () => {
  const api = await startApi((request, response, body) => {
    if (request.url === '/2/files/list_folder') return void json(response, { ...page(0), has_more: true });
    if (request.url === '/2/files/list_folder/continue')
      return void json(response, { ...page(Number(JSON.parse(body).cursor)), has_more: false });
    expect(request.headers['dropbox-api-arg']).toBe('{"path":"id:2"}');
    delete request.headers.authorization;
    download(request, response, body);
  });
  const page = (from: number) => ({ entries: FILES.slice(from, from + 2).map(dropboxEntry), cursor: `${from + 2}` });
  const dropboxEntry = ({ id, name, size }: (typeof FILES)[number]) => ({ id: `id:${id}`, name, size });
  const connection = await open(api, {
    list: {
      ...{ method: 'POST', path: '/2/files/list_folder', body: { path: '/{{ meta.folder }}' }, entries: 'entries' },
      next: { token: 'cursor', while: 'has_more' },
      more: { method: 'POST', path: '/2/files/list_folder/continue', body: { cursor: '{{ meta.next }}' } },
    },
    fetch: {
      ...{ method: 'POST', path: '/2/files/download' },
      headers: { 'dropbox-api-arg': '{"path":"{{ record.id }}"}' },
    },
  });
  expect((await gather(connection.list('/4711/'))).map(({ name }) => name)).toEqual(['a.csv', 'b c.csv', 'd.csv']);
  const bytes = Buffer.concat(await gather(connection.read('/4711/d.csv', 99_000)));
  expect(bytes.equals(content.subarray(99_000))).toBe(true);
  await expect(connection.remove('/4711/d.csv')).rejects.toMatchObject({ code: 'REMOTE_REFUSED' });
});

test('the next page may be a link, of the same server only', async () => {
  const api = await startApi((request, response) => {
    const from = Number(new URL(request.url ?? '', 'https://graph').searchParams.get('skip') ?? '0');
    const host = from === 0 ? `https://${HOST}:${api.port}` : 'https://elsewhere.example';
    json(response, { value: FILES.slice(from, from + 1), '@odata.nextLink': `${host}/items?skip=${from + 1}` });
  });
  const connection = await open(api, {
    list: { path: '/items', entries: 'value', next: { link: '@odata.nextLink' } },
    fetch: { path: '/items/{{ record.id }}' },
  });
  await expect(gather(connection.list('/4711/'))).rejects.toMatchObject({ code: 'REMOTE_LISTING_UNKNOWN' });
  expect(api.asked).toEqual(['GET /items', 'GET /items', 'GET /items?skip=1']);
});

test('of entries that are long, no more are kept than a worker bears; the others are looked up again', async () => {
  const [pages, perPage] = [10, 4];
  const entryOf = (index: number) => ({ id: `${index}`, name: `f${index}`, size: 1, note: 'n'.repeat(1_500_000) });
  const api = await startApi(({ url = '' }, response) => {
    const page = Number(URL.parse(url, 'https://x')?.searchParams.get('page') ?? Number.NaN);
    if (url.startsWith('/entry/')) response.end(JSON.stringify({ ...entryOf(Number(url.slice(7))), size: 2 }));
    else {
      const entries = Array.from({ length: perPage }, (_, index) => entryOf(page * perPage + index));
      response.end(JSON.stringify({ entries, ...(page + 1 < pages && { next: `/list?page=${page + 1}` }) }));
    }
  });
  const connection = await open(api, {
    list: { path: '/list', query: { page: '0' }, entries: 'entries', next: { link: 'next' } },
    fetch: { path: '/files/{{ record.id }}' },
    entry: { path: '/entry/{{ record.id }}' },
  });
  expect(await gather(connection.list('/4711/'))).toHaveLength(pages * perPage);
  const listed = api.asked.length;
  expect(await connection.stat('/4711/f0')).toMatchObject({ sizeBytes: 2 });
  expect(api.asked.slice(listed)).toEqual(['GET /entry/0']);
  expect(await connection.stat('/4711/f39')).toMatchObject({ sizeBytes: 1 });
  expect(api.asked.slice(listed).filter((asked) => asked.startsWith('GET /list'))).toHaveLength(pages);
});

test('a token that is refused, of an account or for a file, is tried once', async () => {
  const api = await startApi((request, response, body) => {
    if (request.url !== '/token') return void response.writeHead(401).end('hush');
    const form = new URLSearchParams(body);
    if (form.get('refresh_token') === 'hush-refresh' && form.get('box_subject_id') === '7')
      return void json(response, { access_token: 'given', token_type: 'bearer' });
    response.writeHead(400).end('hush-refresh');
  });
  const auth = {
    ...{ type: 'oauth2-client-credentials', tokenUrl: `https://${HOST}:${api.port}/token`, clientId: 'c' },
    ...{ clientSecret: 'api-token', refreshToken: 'api-refresh' },
  };
  const refused = await open(api, { ...BOX, auth }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'REMOTE_AUTH_FAILED' });
  const withToken = { ...BOX, auth: { ...auth, parameters: { box_subject_id: '7' } } };
  const unlisted = await open(api, withToken).catch((error: unknown) => error);
  expect(unlisted).toMatchObject({ code: 'REMOTE_AUTH_FAILED' });
  expect(`${refused}${unlisted}`).not.toContain('hush');
  expect(api.asked.filter((each) => each.startsWith('POST'))).toHaveLength(2);
});

test.each([
  ['token', { token: 'next' }, (page: number) => `t${page % 2}`],
  ['link', { link: 'next' }, (page: number) => `/list?page=${page % 2}`],
])('a listing that leads back to a page by its %s ends', async (_name, next, following) => {
  let page = 0;
  const api = await startApi((_request, response) => {
    page += 1;
    json(response, { files: FILES, next: following(page) });
  });
  const connection = await open(api, {
    ...{ list: { path: '/list', query: { page: '{{ meta.next }}' }, entries: 'files', next }, fetch: { path: '/x' } },
  });
  page = 0;
  await expect(gather(connection.list('/4711/'))).rejects.toMatchObject({ code: 'REMOTE_LISTING_UNKNOWN' });
  expect(page).toBeLessThan(5);
});

test('of two files with the same name in one folder the first is looked at, fetched and removed', async () => {
  const files = [...FILES, { ...FILES[0], id: '7', size: 3 }];
  const api = await startApi((request, response) => {
    const id = /^\/files\/(\d+)/.exec(request.url ?? '')?.[1];
    if (id === undefined) return void json(response, { files });
    const size = files.find((file) => file.id === id)?.size;
    json(response, { ...FILES[0], id, size });
  });
  const connection = await open(api, {
    ...{ list: { path: '/list', entries: 'files' }, entry: { path: '/files/{{ record.id }}' } },
    ...{ fetch: { path: '/files/{{ record.id }}' }, remove: { method: 'DELETE', path: '/files/{{ record.id }}' } },
  });
  expect(await gather(connection.list('/4711/'))).toHaveLength(files.length);
  expect(await connection.stat('/4711/a.csv')).toMatchObject({ sizeBytes: content.length });
  await connection.remove('/4711/a.csv');
  expect(api.asked.slice(-2)).toEqual(['GET /files/0', 'DELETE /files/0']);
});
