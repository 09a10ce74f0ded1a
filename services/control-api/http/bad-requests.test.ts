import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { anyCharacter } from '#testkit/seeds/any-character.ts';
import { seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';

let api: TestApi;
let port: number;
let job: { id: string; fileId: string };

beforeAll(async () => {
  api = await startTestApi();
  const address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  port = Number(new URL(address).port);
  await seedTenant(api.sql);
  job = (await seedJobs(api.sql))[0]!;
});
afterAll(() => api.stop());

interface Sent {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly payload?: string | Buffer;
}

async function send({ method = 'GET', url, headers = {}, payload }: Sent) {
  const response = await api.app.inject({
    method,
    url,
    headers: { 'x-api-key': api.keys.operator, ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
  const text = response.body;
  // Whatever was sent: JSON of ours, without a stack, a statement or a path of the server.
  expect(response.headers['content-type']).toContain('application/json');
  expect(text).not.toMatch(/node_modules|at .+:\d+:\d+|SELECT |postgres|PostgresError/i);
  const body = response.json();
  return { status: response.statusCode, body, headers: response.headers };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const UNKNOWN_ID = '0198c0de-0000-7000-8000-000000000001';

describe('what is sent wrongly is refused with a 4xx, a stable code and a hint', () => {
  const cases: [string, Sent, number, string][] = [
    ['an id that is none', { url: '/api/v1/files/42' }, 400, 'REQUEST_INVALID'],
    [
      'an id with a quote',
      { url: `/api/v1/jobs/${encodeURIComponent("'; DROP TABLE jobs; --")}` },
      400,
      'REQUEST_INVALID',
    ],
    ['a very long id', { url: `/api/v1/jobs/${'a'.repeat(5_000)}` }, 400, 'REQUEST_INVALID'],
    ['an id of nothing', { url: `/api/v1/jobs/${UNKNOWN_ID}` }, 404, 'NOT_FOUND'],
    ['a limit that is no number', { url: '/api/v1/files?limit=many' }, 400, 'REQUEST_INVALID'],
    ['a limit of 0', { url: '/api/v1/files?limit=0' }, 400, 'REQUEST_INVALID'],
    ['a limit over 200', { url: '/api/v1/files?limit=201' }, 400, 'REQUEST_INVALID'],
    ['a limit of 1e400', { url: '/api/v1/files?limit=1e400' }, 400, 'REQUEST_INVALID'],
    ['a cursor that no page gave', { url: '/api/v1/files?cursor=abc' }, 400, 'REQUEST_INVALID'],
    [
      'a cursor with SQL in it',
      { url: `/api/v1/files?cursor=${Buffer.from(`["now()","${UNKNOWN_ID}"]`).toString('base64url')}` },
      400,
      'REQUEST_INVALID',
    ],
    ['a status that is none', { url: '/api/v1/files?status=done' }, 400, 'REQUEST_INVALID'],
    ['a time that is none', { url: '/api/v1/files?from=yesterday' }, 400, 'REQUEST_INVALID'],
    ['a 30 February', { url: '/api/v1/files?from=2026-02-30T00:00:00Z' }, 400, 'REQUEST_INVALID'],
    ['the year 0', { url: '/api/v1/files?from=0000-01-01T00:00:00Z' }, 400, 'REQUEST_INVALID'],
    ['a filter that does not exist', { url: '/api/v1/files?stauts=failed' }, 400, 'REQUEST_INVALID'],
    ['a repeated filter', { url: '/api/v1/files?name=a&name=b' }, 400, 'REQUEST_INVALID'],
    ['a NUL in a filter', { url: '/api/v1/files?name=%00' }, 400, 'REQUEST_INVALID'],
    ['a prototype as filter', { url: '/api/v1/files?__proto__[a]=1' }, 400, 'REQUEST_INVALID'],
    ['a broken percent-encoding in the query', { url: '/status?file_id=%E0%A4' }, 400, 'REQUEST_INVALID'],
    ['a broken percent-encoding in the path', { url: '/api/v1/files/%E0%A4' }, 400, 'REQUEST_INVALID'],
    ['a lone percent sign', { url: '/status?file_id=100%' }, 400, 'REQUEST_INVALID'],
    ['an unknown path', { url: '/api/v1/nothing' }, 404, 'NOT_FOUND'],
    ['a path out of the tree', { url: '/docs/../../etc/passwd' }, 404, 'NOT_FOUND'],
    ['an encoded path out of the tree', { url: '/docs/static/..%2f..%2f..%2fpackage.json' }, 404, 'NOT_FOUND'],
    ['a method that is not there', { method: 'DELETE', url: `/api/v1/files/${UNKNOWN_ID}` }, 404, 'NOT_FOUND'],
    [
      'a body that is no JSON',
      { method: 'POST', url: `/api/v1/jobs/${UNKNOWN_ID}/retry`, headers: JSON_TYPE, payload: '{"reason":' },
      400,
      'REQUEST_INVALID',
    ],
    [
      'a body of another type',
      { method: 'POST', url: `/api/v1/jobs/${UNKNOWN_ID}/retry`, headers: JSON_TYPE, payload: '[1,2]' },
      400,
      'REQUEST_INVALID',
    ],
    [
      'a field of another type',
      { method: 'POST', url: `/api/v1/jobs/${UNKNOWN_ID}/cancel`, headers: JSON_TYPE, payload: '{"reason":{"a":1}}' },
      400,
      'REQUEST_INVALID',
    ],
    [
      'a reason with a NUL',
      {
        method: 'POST',
        url: `/api/v1/jobs/${UNKNOWN_ID}/retry`,
        headers: JSON_TYPE,
        payload: '{"reason":"a\\u0000b"}',
      },
      400,
      'REQUEST_INVALID',
    ],
    [
      'a reason with a lone surrogate',
      { method: 'POST', url: `/api/v1/jobs/${UNKNOWN_ID}/retry`, headers: JSON_TYPE, payload: '{"reason":"\\ud800"}' },
      400,
      'REQUEST_INVALID',
    ],
    [
      '__proto__ in a body',
      {
        method: 'POST',
        url: `/api/v1/jobs/${UNKNOWN_ID}/retry`,
        headers: JSON_TYPE,
        payload: '{"__proto__":{"polluted":1}}',
      },
      400,
      'REQUEST_INVALID',
    ],
    [
      'a body nested 100,000 deep',
      {
        method: 'POST',
        url: '/api/v1/dead-letters/redrive',
        headers: JSON_TYPE,
        payload: `{"ids":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      },
      400,
      'REQUEST_INVALID',
    ],
    [
      'a body over 1 MiB',
      {
        method: 'POST',
        url: '/api/v1/keys',
        headers: JSON_TYPE,
        payload: JSON.stringify({ label: 'x'.repeat(1_048_577) }),
      },
      413,
      'PAYLOAD_TOO_LARGE',
    ],
    [
      'a route file over 1 MiB',
      {
        method: 'POST',
        url: '/api/v1/routes',
        headers: { 'content-type': 'application/yaml' },
        payload: 'x'.repeat(1_048_577),
      },
      413,
      'PAYLOAD_TOO_LARGE',
    ],
    [
      'a compressed body',
      {
        method: 'POST',
        url: '/api/v1/routes',
        headers: { 'content-type': 'application/yaml', 'content-encoding': 'gzip' },
        payload: gzipSync('kind: tenant'),
      },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a form',
      {
        method: 'POST',
        url: '/api/v1/keys',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: 'label=a',
      },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'plain text',
      { method: 'POST', url: '/api/v1/keys', headers: { 'content-type': 'text/plain' }, payload: 'a' },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a content type that is none',
      { method: 'POST', url: '/api/v1/keys', headers: { 'content-type': 'json' }, payload: '{}' },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'a tenant that does not exist',
      { method: 'POST', url: '/api/v1/keys', headers: JSON_TYPE, payload: '{"tenant":"nobody","label":"a"}' },
      404,
      'NOT_FOUND',
    ],
    [
      'a redrive without a reason',
      { method: 'POST', url: '/api/v1/dead-letters/redrive', headers: JSON_TYPE, payload: '{}' },
      400,
      'REQUEST_INVALID',
    ],
    [
      'a rate of 0',
      {
        method: 'POST',
        url: '/api/v1/dead-letters/redrive',
        headers: JSON_TYPE,
        payload: '{"reason":"a","rate_per_second":0}',
      },
      400,
      'REQUEST_INVALID',
    ],
    [
      'an empty route file',
      { method: 'POST', url: '/api/v1/routes', headers: { 'content-type': 'application/yaml' }, payload: '' },
      422,
      'ROUTE_INVALID',
    ],
    [
      'a route file nested 100,000 deep',
      { method: 'POST', url: '/api/v1/routes', headers: JSON_TYPE, payload: '['.repeat(100_000) },
      422,
      'ROUTE_INVALID',
    ],
    [
      'a list of files of another form',
      { method: 'POST', url: '/api/v1/routes', headers: JSON_TYPE, payload: '{"files":[{"name":1}]}' },
      400,
      'REQUEST_INVALID',
    ],
  ];

  test.each(cases)('%s', async (_name, sent, status, code) => {
    const answer = await send(sent);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.body.message).toEqual(expect.any(String));
    expect(answer.body.hint).toEqual(expect.any(String));
  });

  test('each fault names its field', async () => {
    const { body } = await send({ url: '/api/v1/files?limit=many&status=done' });
    expect(body.details.in).toBe('querystring');
    expect(body.details.faults.map(({ field }: { field: string }) => field)).toEqual(['status', 'limit']);
  });

  test('prototypes stay as they are', async () => {
    for (const payload of [
      '{"__proto__":{"polluted":1}}',
      '{"constructor":{"prototype":{"polluted":1}}}',
      '{"files":[{"name":"a","text":"__proto__: {polluted: 1}"}]}',
    ]) {
      for (const url of ['/api/v1/routes', '/api/v1/keys', `/api/v1/jobs/${job.id}/cancel`]) {
        const { status } = await send({ method: 'POST', url, headers: JSON_TYPE, payload });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
      }
    }
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe('malformed requests over a socket', () => {
  function raw(bytes: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.setTimeout(5_000, () => socket.destroy());
    return promise;
  }

  test.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n\r\n', 400],
    ['a header without a name', 'GET /status HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n', 400],
    ['a NUL in a header', 'GET /status HTTP/1.1\r\nHost: a\r\nx-api-key: a\0b\r\n\r\n', 400],
    ['a bare CR in a header', 'GET /status HTTP/1.1\r\nHost: a\r\nx-api-key: a\rSet-Cookie: b\r\n\r\n', 400],
    ['two lengths', 'POST /api/v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    [
      'a length and chunks',
      'POST /api/v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a raw space in the path', 'GET /sta tus HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['headers over 16 KiB', `GET /status HTTP/1.1\r\nHost: a\r\nx-a: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['an unknown method', 'STEAL /status HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ])('%s', async (_name, bytes, status) => {
    const answer = await raw(bytes);
    expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    expect(body).toMatchObject({ code: 'REQUEST_INVALID', hint: expect.any(String) });
  });

  test('CR LF in a value forges no header', async () => {
    const answer = await raw(
      `GET /status?file_id=a%0d%0aSet-Cookie:%20b=c HTTP/1.1\r\nHost: a\r\nx-api-key: ${api.keys.operator}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 404/);
    expect(answer.toLowerCase()).not.toContain('set-cookie');
  });

  test('a body that stops half-way leaves the server as it was', async () => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        `POST /api/v1/keys HTTP/1.1\r\nHost: a\r\nx-api-key: ${api.keys.operator}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"a`,
      );
      socket.end();
    });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.on('close', resolve).resume());
    const { status } = await send({ url: '/api/v1/files' });
    expect(status).toBe(200);
  });
});

describe('SQL metacharacters', () => {
  const hostile = fc.oneof(
    fc.constantFrom(
      "'",
      "' OR '1'='1",
      '"; DROP TABLE files; --',
      '$1',
      '$$',
      '\\',
      '%',
      '_',
      '*',
      "E'\\''",
      ';',
      '/*',
      '::int',
      '{}',
      '{"a":1}',
      'NULL',
      "\u2019' --",
      '?',
      ':a',
    ),
    fc.string({ unit: anyCharacter, minLength: 1, maxLength: 60 }),
  );

  async function fingerprint(): Promise<unknown> {
    const [row] = await api.sql`
      SELECT (SELECT count(*) FROM files) AS files, (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM tenants) AS tenants,
        (SELECT count(*) FROM api_keys) AS keys, (SELECT count(*) FROM audit_events) AS events,
        (SELECT string_agg(table_name, ',' ORDER BY table_name) FROM information_schema.tables WHERE table_schema = 'public') AS tables`;
    return row;
  }

  test('in any parameter of a read change nothing and find nothing', async () => {
    const before = await fingerprint();
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        const value = encodeURIComponent(text.toWellFormed());
        for (const url of [
          `/status?file_id=${value}`,
          `/api/v1/files?name=${value}`,
          `/api/v1/files?tenant=${value}&type=${value}`,
          `/api/v1/files?cursor=${value}`,
          `/api/v1/files?from=${value}`,
          `/api/v1/files/${value}`,
          `/api/v1/jobs/${value}`,
          `/api/v1/jobs/${value}/records`,
          `/api/v1/jobs/${job.id}/records?code=${value}`,
          `/api/v1/jobs/${job.id}/records?cursor=${value}`,
          `/api/v1/jobs/${job.id}/records/${value}`,
          `/api/v1/routes?tenant=${value}`,
          `/api/v1/partners?tenant=${value}`,
          `/api/v1/partners?cursor=${value}`,
          `/api/v1/stores?tenant=${value}`,
          `/api/v1/stores?cursor=${value}`,
          `/api/v1/dead-letters?tenant=${value}`,
          `/api/v1/dead-letters?queue=${value}`,
        ]) {
          const response = await api.app.inject({ url, headers: { 'x-api-key': api.keys.acme } });
          expect(response.statusCode).toBeLessThan(500);
          if (response.statusCode === 200 && !/^[*]+$/.test(text))
            expect(Object.values(response.json()).find(Array.isArray)?.length).toBe(0);
        }
      }),
      { numRuns: 60 },
    );
    expect(await fingerprint()).toEqual(before);
  });

  test('in a header or a key change nothing and open nothing', async () => {
    const before = await fingerprint();
    await fc.assert(
      fc.asyncProperty(hostile, async (text) => {
        const printable = text.replaceAll(/[^\x20-\x7e]/g, '?');
        const response = await api.app.inject({
          url: '/api/v1/files',
          headers: { 'x-api-key': printable, 'x-forwarded-for': printable, 'x-request-id': printable },
        });
        expect(response.statusCode).toBe(401);
      }),
      { numRuns: 60 },
    );
    expect(await fingerprint()).toEqual(before);
  });

  test('in a reason are kept as they are', async () => {
    const reason = `'); DELETE FROM jobs; -- $1 \\ "€"`;
    const payload = JSON.stringify({ reason });
    const { status } = await send({
      method: 'POST',
      url: `/api/v1/jobs/${job.id}/cancel`,
      headers: JSON_TYPE,
      payload,
    });
    expect(status).toBe(200);
    const [event] = await api.sql`SELECT detail FROM audit_events WHERE job_id = ${job.id} AND type = 'job.cancelled'`;
    expect(event?.detail.message).toBe(reason);
  });
});
