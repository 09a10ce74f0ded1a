/** `enrich` by a real HTTP server and a real PostgreSQL: what is found, what is not, and what is waited for. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { compileNameTemplate, SAMPLE_FACTS } from '#shared/definitions/name-template.ts';
import { partnerDocumentSchema } from '#shared/definitions/partner-schema.ts';
import { routeDocumentSchema } from '#shared/definitions/routes/route-schema.ts';
import { compileCondition } from '#shared/definitions/routes/step-condition.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createPartnerCaller, type PartnerCaller } from '#shared/partners/call-partner.ts';
import type { OpenPartner } from '#shared/partners/partner-directory.ts';
import { createLookUps, type StepTargets } from '#shared/targets/step-targets.ts';
import { type LoadBed, startLoadBed } from '#testkit/beds/load-bed.ts';
import { NO_TARGETS, runStep, type StepBench, startStepBench } from '#testkit/beds/step-bed.ts';
import { enrichOptions } from './options.ts';
import { enrichStep } from './run.ts';

let bench: StepBench;
let bed: LoadBed;
beforeAll(async () => {
  [bench, bed] = await Promise.all([startStepBench(), startLoadBed()]);
  await bed.sql`CREATE TABLE customers (code text PRIMARY KEY, tier text, score numeric, active boolean, since timestamptz, extra json, number integer)`;
  await bed.sql`INSERT INTO customers VALUES
    ('acme', 'gold', 12.5, true, '2026-01-02T03:04:05Z', '{}', 7), ('other', null, 12345678901234567890, false, null, null, 7)`;
  await bed.sql.unsafe(`GRANT SELECT ON customers TO ${bed.place.user}`);
});
afterAll(() => Promise.all([bench.stop(), bed.stop()]));

async function enrich(options: object, targets: StepTargets, request: object = {}) {
  const object = await bench.land('inbound/acme-2026.csv', 'x');
  return await runStep(bench, { step: enrichStep, kind: enrichOptions, object, options, targets, ...request });
}

describe('from a table', () => {
  const FACTS = { tier: 'tier', score: 'score', active: 'active', since: 'since' };
  const WHERE = { code: "{{ stem | split: '-' | first }}" };
  const LOOK_UP = { database: 'warehouse', table: 'customers', where: WHERE, facts: FACTS };
  const opened = (overrides: object = {}) => {
    const database = bed.open({ reads: ['customers'], ...overrides });
    return { database, targets: bed.targets(database) };
  };

  test('a row gives facts of their types, beside those that were found before', async () => {
    const { database, targets } = opened();
    const outputs = { enrich: { country: 'de', tier: 'none' } };
    expect(await enrich(LOOK_UP, targets, { outputs })).toEqual({
      type: 'succeeded',
      output: { country: 'de', tier: 'gold', score: 12.5, active: true, since: '2026-01-02T03:04:05.000Z' },
    });
    const other = await enrich({ ...LOOK_UP, where: { code: 'other' } }, targets);
    expect(other).toMatchObject({ output: { tier: null, score: '12345678901234567890', active: false } });
    database.close();
  });

  test.each<[string, object, object]>([
    ['no row', { where: { code: "x' OR true --" } }, { type: 'failed', cause: 'LOOKUP_NONE' }],
    ['several rows', { where: { number: '7' } }, { type: 'failed', cause: 'LOOKUP_NOT_UNIQUE' }],
    ['a value of another type', { where: { number: 'seven' } }, { type: 'failed', cause: 'LOOKUP_VALUE' }],
    ['a missing column', { facts: { a: 'nothing' } }, { type: 'failed', cause: 'LOOKUP_SCHEMA' }],
    ['an object', { facts: { a: 'extra' } }, { type: 'failed', cause: 'LOOKUP_RESULT' }],
    ['a table that is not named', { table: 'statements' }, { type: 'retry', cause: 'LOOKUP_DENIED' }],
    [
      'no row, which the route accepts',
      { where: { code: 'x' }, onNone: 'accept' },
      { type: 'succeeded', output: { tier: null, score: null, active: null, since: null } },
    ],
  ])('%s', async (_what, options, expected) => {
    const { database, targets } = opened();
    expect(await enrich({ ...LOOK_UP, ...options }, targets)).toMatchObject({
      ...('cause' in expected && { code: 'ENRICH_ERROR' }),
      ...expected,
    });
    database.close();
  });

  test('a database that does not answer in time, or is not there, is asked again', async () => {
    await bed.sql.unsafe('CREATE VIEW slow AS SELECT code, pg_sleep(30)::text AS tier FROM customers');
    await bed.sql.unsafe(`GRANT SELECT ON slow TO ${bed.place.user}`);
    const { database, targets } = opened({ reads: ['slow'] });
    const slow = { ...LOOK_UP, table: 'slow', facts: { tier: 'tier' }, timeout: '200ms' };
    expect(await enrich(slow, targets)).toMatchObject({ type: 'retry', cause: 'LOOKUP_UNAVAILABLE' });
    database.close();
    const gone = opened({ port: 1 });
    expect(await enrich(LOOK_UP, gone.targets)).toMatchObject({ type: 'retry', cause: 'LOOKUP_UNAVAILABLE' });
    gone.database.close();
    expect(await enrich(LOOK_UP, NO_TARGETS)).toMatchObject({ type: 'retry', cause: 'LOOKUP_UNAVAILABLE' });
  });
});

describe('from a partner', () => {
  let server: Server;
  let asked: string[];
  let answer: { status: number; body: string };
  let callers: PartnerCaller[];

  beforeEach(async () => {
    [asked, callers, answer] = [
      [],
      [],
      { status: 200, body: '{"tier":"gold","score":12345678901234567890,"more":{}}' },
    ];
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    for (const caller of callers) caller.close();
    server.closeAllConnections();
    server.close();
  });

  function partner(operation: object = {}): StepTargets {
    const { port } = server.address() as AddressInfo;
    const definition = partnerDocumentSchema.parse({
      ...{ kind: 'partner', tenant: 'acme', name: 'crm', baseUrl: `http://127.0.0.1:${port}`, timeout: '60s' },
      operations: {
        find: {
          ...{ method: 'GET', path: '/customers/{{ record.code }}', idempotent: true },
          ...{ output: { tier: 'tier', score: 'score', more: 'more' }, ...operation },
        },
      },
    });
    const caller = createPartnerCaller({
      definition,
      secrets: { read: async () => ({ text: 'x', version: '1' }) },
      addressGuard: createAddressGuard({ allow: ['127.0.0.1'] }),
    });
    callers.push(caller);
    const opened = { definition, call: (call: never) => caller.call(call) } as unknown as OpenPartner;
    return { ...NO_TARGETS, findPartner: async () => ({ ok: true, partner: opened }) };
  }

  const LOOK_UP = {
    ...{ partner: 'crm', operation: 'find' },
    values: { code: '{{ stem }}' },
    facts: { tier: 'tier', score: 'score' },
  };

  test('a reply gives the facts that the route names, and nothing else of it is kept', async () => {
    const output = { tier: 'gold', score: '12345678901234567890' };
    expect(await enrich(LOOK_UP, partner())).toEqual({ type: 'succeeded', output });
    expect(asked).toEqual(['/customers/acme-2026']);
  });

  test('an answer is used again for as long as the route says, and of one tenant only', async () => {
    const lookUps = createLookUps();
    const targets = { ...partner(), lookUp: lookUps('acme') };
    for (let nth = 0; nth < 3; nth++) await enrich({ ...LOOK_UP, cacheFor: '5m' }, targets);
    expect(asked).toHaveLength(1);
    await enrich({ ...LOOK_UP, cacheFor: '5m' }, { ...targets, lookUp: lookUps('other') });
    await enrich({ ...LOOK_UP, cacheFor: '5m', values: { code: 'b' } }, targets);
    await enrich(LOOK_UP, targets);
    await enrich(LOOK_UP, targets);
    expect(asked).toHaveLength(5);
  });

  test.each<[string, number, string, object, object]>([
    ['404 is nothing found', 404, '{}', {}, { type: 'failed', cause: 'LOOKUP_NONE' }],
    ['another refusal fails', 422, '{}', {}, { type: 'failed' }],
    ['an outage is asked again', 503, '{}', {}, { type: 'retry' }],
    [
      'an operation that may not be repeated is not called',
      200,
      '{}',
      { idempotent: false },
      { type: 'retry', cause: 'PARTNER_UNKNOWN' },
    ],
  ])('%s', async (_what, status, body, operation, expected) => {
    answer = { status, body };
    const outcome = await enrich(
      { ...LOOK_UP, cacheFor: '5m' },
      { ...partner(operation), lookUp: createLookUps()('acme') },
    );
    expect(outcome).toMatchObject({ code: 'ENRICH_ERROR', ...expected });
    expect(asked).toHaveLength('idempotent' in operation ? 0 : 1);
    // What did not work is not kept.
    answer = { status: 200, body: '{"tier":"gold"}' };
    expect(await enrich(LOOK_UP, partner())).toMatchObject({ type: 'succeeded' });
  });
});

test('facts are in templates and conditions, and a name that no look-up finds is a fault of the route', () => {
  const template = compileNameTemplate('{{ facts.tier }}/{{ facts.region | default: "world" }}/{{ name }}');
  if (!template.ok) throw new Error(template.message);
  expect(template.render({ ...SAMPLE_FACTS, facts: { tier: 'gold', region: null } })).toBe('gold/world/sample.csv');
  const condition = compileCondition('steps.enrich.score > 10 and steps.enrich.tier == "gold"', new Set(['enrich']));
  if (!condition.ok) throw new Error(condition.message);
  const file = { name: 'a', path: 'a', size: 1, type: '', tenant: 'acme' };
  expect(condition.holds({ file, steps: { enrich: { score: 12.5, tier: 'gold' } } })).toBe(true);
  const route = (key: string, when = 'steps.enrich.tier == "gold"') => ({
    ...{ kind: 'route', tenant: 'acme', name: 'a', match: { path: '*.csv' } },
    steps: [
      { enrich: { database: 'd', table: 't', where: { code: '{{ stem }}' }, facts: { tier: 'tier' } } },
      { deliver: { key }, when },
    ],
  });
  expect(routeDocumentSchema.safeParse(route('{{ tenant }}/{{ facts.tier }}/x')).error?.issues).toBeUndefined();
  const wrong = routeDocumentSchema.safeParse(route('{{ tenant }}/{{ facts.teir }}/x', 'steps.enrich.region == "a"'));
  expect(wrong.error?.issues.map(({ message }) => message)).toEqual([
    'no step `enrich` finds a fact "teir"',
    'no step `enrich` finds a fact "region"',
  ]);
});
