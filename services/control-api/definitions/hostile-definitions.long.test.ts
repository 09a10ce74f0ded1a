import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiProcess, startApiProcess } from '#testkit/beds/start-api-process.ts';
import { createDefinitionParser } from './parse-definitions.ts';

let api: ApiProcess;
beforeAll(async () => {
  api = await startApiProcess({ LONGSHORE_API_RATE_PER_SECOND: '100000' });
});
afterAll(async () => await api?.stop());

const YAML = { 'content-type': 'application/yaml' };
const JSON_TYPE = { 'content-type': 'application/json' };
const SMALL = 250_000;
const repeat = (text: string) => text.repeat(Math.floor(SMALL / text.length));
const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}: 1`);

const HOSTILE: readonly (readonly [string, Record<string, string>, string])[] = [
  ['lists in lists', YAML, '- '.repeat(500_000)],
  ['lists in lists, of a body that is let in', YAML, repeat('- ')],
  ['complex keys', YAML, repeat('? ')],
  ['lists in lists, a line each', YAML, Array.from({ length: 600 }, (_, depth) => `${' '.repeat(depth)}-`).join('\n')],
  ['many keys', YAML, keys(22_000).join('\n')],
  ['many keys in one line', YAML, `{${keys(20_000).join(',')}}`],
  ['many documents', YAML, repeat('---\na: 1\n')],
  ['many documents that end', YAML, repeat('a\n...\n')],
  ['aliases to nothing', YAML, repeat('- *a\n')],
  ['mappings on one line', YAML, repeat('a: ')],
  ['directives', YAML, repeat('%FOO\n')],
  ['comments', YAML, repeat('#\n')],
  ['anchors', YAML, Array.from({ length: 15_000 }, (_, index) => `- &a${index} x`).join('\n')],
  [
    'steps of no kind',
    YAML,
    `kind: route\ntenant: acme\nname: a\nmatch: {path: x}\nsteps:\n${repeat('  - nonsense:\n')}`,
  ],
  ['tags', YAML, repeat('- !a b\n')],
  ['block scalars', YAML, repeat('- |\n')],
  ['an endless quote', YAML, `a: "${repeat('\\x41')}`],
  ['brackets', YAML, '['.repeat(4_999)],
  ['brackets as JSON', JSON_TYPE, '['.repeat(SMALL)],
  ['balanced brackets as JSON', JSON_TYPE, `${'['.repeat(SMALL / 2)}${']'.repeat(SMALL / 2)}`],
  ['files of nothing', JSON_TYPE, `{"files":[${repeat('0,')}0]}`],
  [
    'globs',
    YAML,
    `kind: tenant\nid: acme\nname: a\nignore:\n${Array.from({ length: 50 }, () => `  - "${'*a'.repeat(2_400)}"`).join('\n')}`,
  ],
];

async function checkDefinitions(headers: Record<string, string>, body: string, key: string): Promise<Response> {
  for (;;) {
    const reply = await fetch(`${api.url}/api/v1/routes?dry_run=true`, {
      method: 'POST',
      headers: { ...headers, 'x-api-key': key },
      body,
    });
    // 503: late, on a busy machine, and asked for again.
    if (reply.status !== 429 && reply.status !== 503) return reply;
    await reply.arrayBuffer();
    await sleep(Number(reply.headers.get('retry-after') ?? 1) * 1_000);
  }
}

/**
 * Asks on behalf of another tenant until it is over: answers have to come as long as a work takes, four of them at most, as what is over at
 * once holds nobody up. How long one takes on this machine anyway is measured first.
 */
async function whileOthersAsk(works: readonly (() => Promise<void>)[]): Promise<void> {
  let answers = 0;
  let isOver = false;
  const ask = async () => {
    const headers = { 'x-api-key': api.keys.globex };
    const reply = await fetch(`${api.url}/status?file_id=nothing`, { headers });
    if (reply.status === 404) answers += 1;
    await reply.arrayBuffer();
  };
  const began = performance.now();
  for (let at = 0; at < 10; at += 1) await ask();
  const aloneMs = (performance.now() - began) / 10;
  const asking = (async () => {
    while (!isOver) await ask();
  })();
  try {
    for (const work of works) {
      const [before, since] = [answers, performance.now()];
      await work();
      const due = Math.min(4, Math.floor((performance.now() - since) / (250 + 8 * aloneMs)));
      expect(answers - before).toBeGreaterThanOrEqual(due);
    }
  } finally {
    isOver = true;
    await asking;
  }
}

test('whatever definitions are sent, they are refused, and other tenants are answered meanwhile', async () => {
  await whileOthersAsk(
    HOSTILE.map(([what, headers, body]) => async () => {
      const reply = await checkDefinitions(headers, body, api.keys.acme);
      expect([400, 413, 422], what).toContain(reply.status);
      expect(await reply.json(), what).toMatchObject({ code: expect.any(String), hint: expect.any(String) });
    }),
  );
  expect(api.exitCode()).toBeNull();
});

test('the same of an operator, in bodies of 1 MiB: what outgrows its child is too complex', async () => {
  const larger = [
    ['mappings on one line', 'a: '.repeat(340_000)],
    ['a long list', `[${'1,'.repeat(500_000)}]`],
  ] as const;
  await whileOthersAsk(
    larger.map(([what, body]) => async () => {
      const reply = await checkDefinitions(YAML, body, api.keys.operator);
      expect(await reply.json(), what).toMatchObject({ code: 'ROUTE_TOO_COMPLEX' });
      expect(reply.status).toBe(422);
    }),
  );
  expect(api.exitCode()).toBeNull();
});

test('one tenant waits behind itself, and another is served', async () => {
  const slow = 'a: '.repeat(80_000);
  const many = Array.from({ length: 10 }, () =>
    fetch(`${api.url}/api/v1/routes?dry_run=true`, {
      method: 'POST',
      headers: { ...YAML, 'x-api-key': api.keys.acme },
      body: slow,
    }).then(async (reply) => {
      await reply.arrayBuffer();
      return reply.status;
    }),
  );
  const other = await checkDefinitions(YAML, 'kind: route', api.keys.globex);
  expect(other.status).toBe(422);
  const statuses = await Promise.all(many);
  expect(new Set(statuses)).toEqual(new Set([422, 429]));
});

test('what takes too much of the processor is too complex, and what is only late may come again', async () => {
  const caller = { customer: 'acme', signal: new AbortController().signal };
  const parse = (bounds: Parameters<typeof createDefinitionParser>[0], text: string) =>
    createDefinitionParser(bounds).parse({ text, contentType: '' }, caller);
  await expect(parse({ cpuMs: 50, deadlineMs: 60_000 }, 'a: '.repeat(80_000))).rejects.toMatchObject({
    code: 'ROUTE_TOO_COMPLEX',
  });
  await expect(parse({ deadlineMs: 1 }, 'kind: tenant')).rejects.toMatchObject({ code: 'OVERLOADED' });
});
