import { describe, expect, it } from 'vitest';
import { OWN_SECRET_FOLDERS } from '#shared/runtime/config/secret-names.ts';
import { costGrowth, LINEAR } from '#testkit/checks/cost-growth.ts';
import { parseRouteFiles } from './parse-route-files.ts';

const GOOD = `kind: tenant
id: acme
name: Acme
---
kind: route
tenant: acme
name: orders
match:
  path: inbound/**/*.csv
steps:
  - validate: { maxSize: 10MB }
  - deliver:
  - confirm:
`;

function faultsOf(text: string) {
  const result = parseRouteFiles([{ name: 'routes.yaml', text }]);
  return result.ok ? [] : result.faults;
}

describe('route files', () => {
  it('reads several documents and fills in the defaults', () => {
    const result = parseRouteFiles([{ text: GOOD }]);
    expect(result).toMatchObject({
      ok: true,
      documents: [
        { line: 1, document: { kind: 'tenant', ignore: ['*.part', '*.tmp', '*.filepart', '.*'] } },
        {
          line: 5,
          document: {
            kind: 'route',
            retry: { maxAttempts: 3, firstDelay: 2000 },
            match: { path: ['inbound/**/*.csv'] },
          },
        },
      ],
    });
  });

  it.each(OWN_SECRET_FOLDERS)('has no tenant %s: secrets of the fleet are under that name', (id) => {
    const [fault] = faultsOf(`kind: tenant\nid: ${id}\nname: Plausible\n`);
    expect(fault?.message).toContain('secrets of the fleet');
    expect(faultsOf(`kind: tenant\nid: ${id}-2\nname: Plausible\n`)).toEqual([]);
  });

  it.each([
    ['comments and order', '# words\nname: Acme # of old\nkind: tenant\nid: acme\n# the end\n'],
    ['JSON', '{"kind": "tenant", "id": "acme", "name": "Acme"}\n'],
    ['a document on the line of its marker', '--- {kind: tenant, id: acme, name: Acme}\n'],
  ])('keeps the text of each document: %s', (_what, text) => {
    const other = '# another\nkind: tenant\nid: other\nname: |\n  Other\n';
    for (const file of [
      `${text}---\n${other}`,
      `${text}...\n---\n${other}`,
      `\ufeff${text}---\n\n---   \r\n${other}`,
    ]) {
      const result = parseRouteFiles([{ text: file }]);
      expect(result.ok && result.documents.map(({ source }) => source)).toEqual([text, other]);
    }
    const again = parseRouteFiles([{ text }]);
    expect(again.ok && again.documents[0]?.source).toBe(text);
  });

  it('keeps no directive in the text, which is a document by itself', () => {
    const result = parseRouteFiles([{ text: `%YAML 1.2\n---\n${GOOD}` }]);
    expect(result.ok && result.documents.map(({ source }) => source)).toEqual(GOOD.split('---\n'));
  });

  it('gives the same hash whatever the order of keys and the comments, and another for another meaning', () => {
    const hash = (text: string) => {
      const result = parseRouteFiles([{ text }]);
      return result.ok && result.documents[0]?.definitionHash;
    };
    const first = hash('kind: tenant\nid: acme\nname: Acme\n');
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(hash('# words\nname: "Acme"\nid: acme\nkind: tenant\ntimeZone: UTC\n')).toBe(first);
    expect(hash('kind: tenant\nid: acme\nname: Acme Inc\n')).not.toBe(first);
  });

  it('lists all faults of all documents with line, column and path', () => {
    const text = `kind: tenant
id: Acme!
name: Acme
timeZone: Mars/Base
---
kind: route
tenant: acme
name: orders
colour: blue
match:
  path: [inbound/*.csv, "/abs/*.csv"]
retry:
  firstDelay: soon
steps:
  - validate:
      maxSize: 10 parsecs
      namePattern: "(a"
  - deliver: { key: "elsewhere/{{ name }}" }
  - launch: {}
`;
    expect(faultsOf(text).map(({ file, line, column, path, code }) => [file, line, column, path, code])).toEqual([
      ['routes.yaml', 2, 5, 'id', 'ROUTE_INVALID'],
      ['routes.yaml', 4, 11, 'timeZone', 'ROUTE_INVALID'],
      ['routes.yaml', 9, 1, 'colour', 'ROUTE_INVALID'],
      ['routes.yaml', 11, 25, 'match.path.1', 'ROUTE_INVALID'],
      ['routes.yaml', 13, 15, 'retry.firstDelay', 'ROUTE_INVALID'],
      ['routes.yaml', 16, 16, 'steps.0.validate.maxSize', 'ROUTE_INVALID'],
      ['routes.yaml', 17, 20, 'steps.0.validate.namePattern', 'ROUTE_INVALID'],
      ['routes.yaml', 18, 21, 'steps.1.deliver.key', 'ROUTE_INVALID'],
      ['routes.yaml', 19, 5, 'steps.2.launch', 'ROUTE_INVALID'],
    ]);
  });

  it('names the known step kinds when one is unknown', () => {
    const text = GOOD.replace('- deliver:', '- launch:').replace('  - confirm:\n', '');
    expect(faultsOf(text)).toMatchObject([
      {
        message: expect.stringContaining(
          'stage, transform, parse, call, deliver, load, post, push, publish, mail, confirm, receipt, parallel, run',
        ),
      },
    ]);
  });

  it.each([
    ['a duplicate key', 'kind: tenant\nid: a\nid: b\nname: x\n', 3],
    ['a wrong indentation', 'kind: tenant\nid: a\n  name: x\n', 2],
    ['an unclosed quote', 'kind: tenant\nid: "a\n', 2],
    ['an unknown tag', 'kind: tenant\nid: !!js/function "x"\nname: x\n', 2],
    ['a tab as indentation', 'kind: route\nmatch:\n\tpath: x\n', 3],
  ])('calls %s a fault of syntax, at its line', (_what, text, line) => {
    const faults = faultsOf(text);
    expect(faults.length).toBeGreaterThan(0);
    expect(faults[0]).toMatchObject({ code: 'YAML_SYNTAX' });
    expect(Math.abs((faults[0]?.line ?? 0) - line)).toBeLessThanOrEqual(1);
  });

  it.each([
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefgh'
        .split('')
        .map((n, i) => `${n}: &${n} [${Array(9).fill(`*${'abcdefg'[i]}`)}]`)
        .join('\n')}\n`,
    ],
    ['endless nesting', `a: ${'['.repeat(200_000)}`],
    ['deep nesting', `a: ${'['.repeat(4_900)}`],
    ['a file over 1 MiB', `kind: tenant\nname: ${'x'.repeat(1_048_576)}`],
    ['an empty file', ''],
    ['comments only', '# nothing\n---\n# nothing\n'],
  ])('refuses %s with a fault and not with an exception', (_what, text) => {
    expect(faultsOf(text)[0]).toMatchObject({ code: 'YAML_SYNTAX', file: 'routes.yaml' });
  });

  it('refuses nesting at a cost that is linear in the text', () => {
    expect(costGrowth((depth) => faultsOf(`a: ${'['.repeat(depth)}`), 50_000)).toBeLessThan(LINEAR);
  });

  it.each([
    ['a scalar', 'hello'],
    ['a list', '- 1\n- 2\n'],
    ['no kind', 'id: acme\n'],
    ['another kind', 'kind: parcel\nid: acme\n'],
    ['no steps', 'kind: route\ntenant: acme\nname: a\nmatch: { path: "*" }\nsteps: []\n'],
    [
      'a step of two kinds',
      'kind: route\ntenant: acme\nname: a\nmatch: { path: "*" }\nsteps: [{ stage: , confirm: }]\n',
    ],
    ['confirm without deliver', 'kind: route\ntenant: acme\nname: a\nmatch: { path: "*" }\nsteps: [confirm: ]\n'],
    ['prototype keys', 'kind: tenant\nid: acme\nname: A\n__proto__: { polluted: yes }\n'],
    [
      'bounds the wrong way round',
      'kind: route\ntenant: acme\nname: a\nmatch: { path: "*", minSize: 2KB, maxSize: 1KB }\nsteps: [stage: ]\n',
    ],
  ])('refuses %s', (_what, text) => {
    const faults = faultsOf(text);
    expect(faults.map(({ code }) => code)).toContain('ROUTE_INVALID');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('refuses a route that is defined twice, also in two files', () => {
    const result = parseRouteFiles([
      { name: 'a.yaml', text: GOOD },
      { name: 'b.yaml', text: GOOD.split('---\n')[1] ?? '' },
    ]);
    expect(result).toMatchObject({
      ok: false,
      faults: [{ file: 'b.yaml', line: 1, message: 'the route acme/orders is defined twice' }],
    });
  });
});

it.each([
  ['{ files: 15d, objects: 5m }', undefined],
  ['{ objects: 30d }', undefined],
  ['{ files: 14d }', 'must be between 15d and 36500d'],
  ['{ files: 20d, objects: 21d }', 'longer than files'],
  ['{}', 'needs files, or objects'],
  ['{ archive: 20d }', 'Unrecognized key'],
])('retention: %s is accepted, or says what is wrong', (retention, fault) => {
  const parsed = parseRouteFiles([{ text: `kind: tenant\nid: acme\nname: Acme\nretention: ${retention}\n` }]);
  if (fault === undefined) expect(parsed).toMatchObject({ ok: true });
  else expect(JSON.stringify(parsed)).toContain(fault);
});
