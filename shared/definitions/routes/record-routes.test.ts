/** Routes that carry the records of their files: the order of their steps, and what a job has of them. */
import { describe, expect, it } from 'vitest';
import { canonicalJson, definitionHash } from '#shared/definitions/definition-hash.ts';
import { compileRoute } from './compile-route.ts';
import { routeDocumentSchema } from './route-schema.ts';

const PARSE = { parse: null };
const VALIDATE = { call: { partner: 'globex-gw', operation: 'validate', code: 'VALIDATION_ERROR' } };
const ASSIGN = { call: { ...VALIDATE.call, operation: 'assignments', code: 'ASSIGNMENTS_ERROR', name: 'assign' } };
const RECORDS = { format: 'csv', columns: [{ name: 'member', type: 'text' }] };

function definition(steps: readonly unknown[], more: Record<string, unknown> = { records: RECORDS }) {
  return { kind: 'route', tenant: 'globex-bank', name: 'rfi', match: { path: 'rfi/*.csv' }, ...more, steps };
}

const GOOD = definition([{ validate: null }, PARSE, VALIDATE, ASSIGN, { deliver: null }, { confirm: null }]);

describe('a record route', () => {
  it('has all its calls as one step of the job, and each as one of the record', () => {
    const route = compileRoute(GOOD);
    const calls = [
      { seq: 0, partner: 'globex-gw', operation: 'validate', code: 'VALIDATION_ERROR', name: 'validate' },
      { seq: 1, partner: 'globex-gw', operation: 'assignments', code: 'ASSIGNMENTS_ERROR', name: 'assign' },
    ];
    expect(route.calls).toEqual(calls);
    expect(route.steps.map(({ seq, kind }) => [seq, kind])).toEqual([
      [0, 'validate'],
      [1, 'parse'],
      [2, 'call'],
      [3, 'deliver'],
      [4, 'confirm'],
    ]);
    expect(route.steps[2]?.options).toEqual({ calls });
  });

  it('parses large files in the large-file-worker, and calls from the partner-worker whatever the size', () => {
    const { steps } = compileRoute(GOOD);
    expect(steps.slice(1, 3).map((step) => [step.classOf(false), step.classOf(true)])).toEqual([
      ['short', 'long'],
      ['short', 'short'],
    ]);
  });

  it('takes failed records up three times, and fails when none succeeded, unless it says otherwise', () => {
    expect(compileRoute(GOOD)).toMatchObject({ maxSweeps: 3, failJobAt: 1, records: { format: 'csv' } });
    const more = { records: { ...RECORDS, failJobAt: '5%' }, retry: { maxSweeps: 0 } };
    expect(compileRoute(definition([PARSE, VALIDATE], more))).toMatchObject({ maxSweeps: 0, failJobAt: 0.05 });
  });

  it('comes out the same from its definition, from the parsed one and from its JSON', () => {
    const parsed = routeDocumentSchema.parse(GOOD);
    expect(routeDocumentSchema.parse(parsed)).toEqual(parsed);
    expect(routeDocumentSchema.parse(JSON.parse(canonicalJson(parsed)))).toEqual(parsed);
    expect(definitionHash(routeDocumentSchema.parse(parsed))).toBe(definitionHash(parsed));
  });
});

it('a route that was stored before there were records is compiled as it was', () => {
  const stored = {
    ...definition([{ deliver: {} }], {}),
    acceptEmpty: true,
    ordered: false,
    onHeadFailure: 'block',
    retry: { maxAttempts: 3, firstDelay: 2_000, factor: 2, maxDelay: 900_000, jitter: 'full' },
  };
  const route = compileRoute(stored);
  expect(route).toMatchObject({ records: undefined, calls: [], failJobAt: 1, retry: stored.retry });
  expect(route.steps.map(({ kind }) => kind)).toEqual(['deliver']);
});

describe('a record route is refused', () => {
  it.each([
    ['with a parse but no section', definition([PARSE, VALIDATE], {}), 'steps.0', 'records'],
    ['with a section that nothing reads', definition([{ deliver: null }]), 'records', 'parse'],
    ['with two parses', definition([PARSE, PARSE, VALIDATE]), 'steps.1', 'one parse'],
    ['with a parse and no call', definition([PARSE, { deliver: null }]), 'steps.0', 'needs a call'],
    ['with a call before its parse', definition([VALIDATE, PARSE]), 'steps.0', 'needs a parse before it'],
    [
      'with a step between two calls',
      definition([PARSE, VALIDATE, { deliver: null }, ASSIGN]),
      'steps.3',
      'follow each other directly',
    ],
    [
      'with the same name twice, also by default',
      definition([PARSE, VALIDATE, { call: { ...ASSIGN.call, name: 'validate' } }]),
      'steps.2.call.name',
      'two calls',
    ],
    [
      'with the code of rows that cannot be read',
      definition([PARSE, { call: { ...VALIDATE.call, code: 'PARSE_ERROR' } }]),
      'steps.1.call.code',
      'PARSE_ERROR',
    ],
    [
      'with a code in small letters',
      definition([PARSE, { call: { ...VALIDATE.call, code: 'bad' } }]),
      'steps.1.call.code',
      'upper-case',
    ],
    ['with options of parse', definition([{ parse: { format: 'csv' } }, VALIDATE]), 'steps.0.parse', 'format'],
    [
      'when no failure could be few enough',
      definition([PARSE, VALIDATE], { records: { ...RECORDS, failJobAt: 0 } }),
      'records.failJobAt',
      'more than 0%',
    ],
    [
      'with sweeps without end',
      definition([PARSE, VALIDATE], { records: RECORDS, retry: { maxSweeps: 101 } }),
      'retry.maxSweeps',
      '100',
    ],
  ])('%s', (_name, document, path, message) => {
    const { error } = routeDocumentSchema.safeParse(document);
    expect(error?.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }))).toEqual([
      { path, message: expect.stringContaining(message) },
    ]);
  });
});
