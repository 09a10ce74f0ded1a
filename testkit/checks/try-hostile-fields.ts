/**
 * Sends what no caller should send in every field of every endpoint that the API describes. It is refused or taken, never a fault of the
 * server: no 5xx, no stack, no statement.
 */
import type { TestApi } from '../beds/start-test-api.ts';
import type { OneOfEach } from '../seeds/seed-one-of-each.ts';
import { type Endpoint, listEndpoints } from './list-endpoints.ts';
import type { ApiSchema } from './read-api-document.ts';

const ID = '0198c0de-0000-7000-8000-000000000001';
const TEXTS = [
  ...[
    '',
    ' ',
    '0',
    '-1',
    'NaN',
    'Infinity',
    '1e9',
    '1e400',
    '0x10',
    '9223372036854775808',
    '99999999999999999999',
    '\u0663',
    'null',
  ],
  ...[
    'true',
    '[]',
    '{}',
    '__proto__',
    'constructor',
    'toString',
    '%',
    '_',
    '\\',
    '\\\\',
    "'",
    "' OR '1'='1",
    '$1',
    '*',
    '**',
    '(',
    '[',
    '{',
  ],
  ...[
    'a\nb',
    '\r\nSet-Cookie: a=b',
    '\u0000',
    'a\u0000b',
    '\u202e',
    'e\u0301',
    '\u00e9',
    '\ufeff',
    '\u{1f600}',
    'I\u0307',
    '../..',
    '..',
    '.',
    '/',
    '//',
  ],
  ...[
    '(a+)+$'.repeat(10),
    'a'.repeat(100),
    'a,'.repeat(60),
    '2026-02-30T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
  ],
  ...[
    '2026-01-01T00:00:00+24:00',
    '-000001-01-01T00:00:00Z',
    'infinity',
    '-infinity',
    'now()',
    'epoch',
    '9999-12-31T23:59:59.999999Z',
  ],
  ...[
    ID,
    ID.toUpperCase(),
    `{${ID}}`,
    `${ID} `,
    '::1',
    '1.1.1.1/33',
    'acme',
    'zebra-route',
    'failed,failed',
    'FAILED,',
    ',',
  ],
];
const CURSORS: readonly string[] = [
  ...[
    null,
    1,
    -1,
    1.5,
    1e308,
    '',
    'x',
    ID,
    [],
    [ID],
    ['2026-01-01T00:00:00Z', ID],
    ['2026-01-01T00:00:00.123456Z', ID, 'x'],
  ],
  ...[
    ['2026-99-99T00:00:00Z', ID],
    ['2026-01-01T00:00:00Z', 'x'],
    ['2026-01-01T00:00:00Z', ID, '\u0000'],
    ['2026-01-01T00:00:00Z', null],
  ],
  ...[
    ['0001-01-01T00:00:00Z', ID],
    ['294277-01-01T00:00:00Z', ID],
    ["now() - interval '1 day'", ID],
    ['2026-01-01T00:00:00Z', `${ID}'--`],
  ],
  ...[
    {},
    { __proto__: 1 },
    { at: 'x', id: ID },
    [['2026-01-01T00:00:00Z'], ID],
    ['2026-01-01T00:00:00Z', ID, ID, ID],
    true,
  ],
  ...[
    Number.MAX_SAFE_INTEGER,
    2 ** 63,
    2 ** 31,
    ['2026-01-01T00:00:00Z', 'x'.repeat(401)],
    ['2026-01-01T00:00:00Z', '\ud800'],
  ],
  ...[
    ['2026-01-01T00:00:00Z', 5],
    [5, ID],
    ['2026-01-01T00:00:00Z', 'zebra-session'],
    ['a', 'b', 'c'],
    ['zebra', 'zebra-route'],
    'zebra-user',
  ],
  ...[
    [1, 2, 3],
    ['x', 1],
    [1, 'x'],
    ['acme', 'x\u0000'],
    ['\u0000', ID],
    '\u0000',
    ['acme', 1, 1],
    [ID, 1],
    [ID, 2 ** 53],
    [ID, -1],
  ],
].map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'));

const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    [],
    [null],
    [[]],
    {},
    { a: 1 },
    '',
    ' ',
    'x',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\u202ex',
  ],
  ...[
    '__proto__',
    "'; DROP TABLE files; --",
    'a\r\nb',
    '../../x',
    '..',
    ID,
    'zebra',
    'x'.repeat(5_000),
    ['\u0000'],
    [ID, ID],
    Array(2_000).fill(ID),
  ],
  ...[
    { constructor: { prototype: { polluted: 1 } } },
    { ids: ['\u0000'] },
    { from: 'x' },
    '2026-01-01T00:00:00+24:00',
    '1e400',
    '((a+)+)+$',
  ],
  ...[
    'e\u0301',
    'I\u0307',
    '=cmd|x',
    'http://169.254.169.254/',
    'x@y',
    '<img src=x onerror=alert(1)>',
    '*'.repeat(60),
    { '\u0000': 1 },
  ],
];

function urlOf(path: string, ids: OneOfEach): string {
  const collection = path.split('/')[3] ?? '';
  const value = (name: string) => {
    if (name === 'tenant') return 'acme';
    if (['line', 'version'].includes(name)) return '1';
    return ids[collection] ?? ID;
  };
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => value(name));
}

export interface HostileFault {
  readonly endpoint: string;
  readonly sent: string;
  readonly status: number;
  readonly answer: string;
}

/** A store that is not there, and nothing else, may be said to be away. */
async function faultOf(
  api: TestApi,
  { name, method }: Endpoint,
  url: string,
  payload?: unknown,
): Promise<HostileFault | undefined> {
  const headers = {
    'x-api-key': api.keys.operator,
    ...(payload !== undefined && { 'content-type': 'application/json' }),
  };
  const reply = await api.app.inject({
    ...{ method, url, headers },
    ...(payload !== undefined && { payload: JSON.stringify(payload) }),
  });
  const { statusCode: status, body: answer } = reply;
  const isFine = status < 500 || answer.includes('OBJECT_STORE_UNAVAILABLE');
  const isOurs = !/SELECT |node_modules|PostgresError|ECONNREFUSED|127\.0\.0\.1:|\bat .+:\d+:\d+/.test(answer);
  if (isFine && isOurs) return undefined;
  return {
    endpoint: name,
    sent: `${url.slice(0, 300)} ${JSON.stringify(payload)?.slice(0, 200)}`,
    status,
    answer: answer.slice(0, 300),
  };
}

/** A value that fits, roughly: so that one bad field at a time is met. */
function fitting(name: string, schema: ApiSchema): unknown {
  const known: Record<string, unknown> = {
    ...{
      tenant: 'acme',
      reason: 'a test',
      email: 'a@b.example',
      role: 'sender',
      filter: { code: 'X' },
      verb: 'cancel',
      name: 'x',
      size: 10,
    },
    ...{
      file_id: ID,
      route: 'zebra-route',
      template_id: 'zebra-template',
      sender: 'zebra-sender',
      addresses: ['a@b.example'],
    },
    ...{
      remote: 'zebra-remote',
      remotePath: '/in/x',
      project: 'P',
      label: 'x',
      query: '{ __typename }',
      as: 'done',
      username: 'u',
    },
    ...{
      contentBase64: 'eA==',
      to: ['a@b.example'],
      parts: [{ part: 1 }],
      body: '{}',
      comment: 'x',
      fingerprint: 'x',
      token: 'x',
    },
  };
  return known[name] ?? schema.enum?.[0] ?? (schema.type === 'integer' || schema.type === 'number' ? 1 : 'x');
}

export interface HostileFields {
  readonly api: TestApi;
  /** What the paths name. */
  readonly ids: OneOfEach;
  /** Each field gets every so-manieth value, another share of them than the field before. */
  readonly step: number;
}

interface Tried {
  readonly tried: number;
  readonly faults: readonly HostileFault[];
}

/** Queries and paths of what reads. */
export async function tryHostileReads({ api, ids, step }: HostileFields): Promise<Tried> {
  const share = sharesOf(step);
  const found: (HostileFault | undefined)[] = [];
  for (const endpoint of listEndpoints(api.app).filter(({ method }) => method === 'GET')) {
    const { path, query } = endpoint;
    const needed = {
      file_id: 'x',
      q: 'xyz',
      address: 'a@example.com',
      ...(path.endsWith('/verify') && { tenant: 'acme' }),
    };
    const required = Object.fromEntries(Object.entries(needed).filter(([name]) => query.includes(name)));
    for (const parameter of query)
      for (const value of share(parameter === 'cursor' ? [...CURSORS, ...TEXTS] : TEXTS)) {
        const text = new URLSearchParams({ ...required, [parameter]: value }).toString();
        found.push(await faultOf(api, endpoint, `${urlOf(path, ids)}?${text}`));
      }
    for (const [part] of path.matchAll(/\{\w+\}/g))
      for (const value of share(TEXTS))
        found.push(await faultOf(api, endpoint, urlOf(path.replace(part, encodeURIComponent(value)), ids)));
  }
  return { tried: found.length, faults: found.filter((fault) => fault !== undefined) };
}

/** Bodies, as a whole and field by field. */
export async function tryHostileBodies({ api, ids, step }: HostileFields): Promise<Tried> {
  const share = sharesOf(step);
  const found: (HostileFault | undefined)[] = [];
  for (const endpoint of listEndpoints(api.app)) {
    const { body, path } = endpoint;
    if (body === undefined) continue;
    const { properties = {}, required = [] } = body;
    const fits = Object.fromEntries(required.map((name) => [name, fitting(name, properties[name] ?? {})]));
    for (const value of share(VALUES)) found.push(await faultOf(api, endpoint, urlOf(path, ids), value));
    for (const name of Object.keys(properties))
      for (const value of share(VALUES))
        found.push(await faultOf(api, endpoint, urlOf(path, ids), { ...fits, [name]: value }));
  }
  return { tried: found.length, faults: found.filter((fault) => fault !== undefined) };
}

function sharesOf(step: number) {
  let first = 0;
  return <Value>(values: readonly Value[]): Value[] => {
    first = (first + 1) % step;
    return values.filter((_, index) => index % step === first);
  };
}
