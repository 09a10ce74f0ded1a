import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, definitionHash } from '#shared/definitions/definition-hash.ts';
import { durationSchema, formatDuration, parseDurationMs } from '#shared/definitions/duration.ts';
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import { compileNameTemplate, SAMPLE_FACTS } from '#shared/definitions/name-template.ts';
import { parseSizeBytes, sizeSchema } from '#shared/definitions/size.ts';
import { costGrowth, LINEAR } from '#testkit/checks/cost-growth.ts';
import { anyCharacter } from '#testkit/seeds/any-character.ts';
import { fileToMatch } from '#testkit/seeds/file-to-match.ts';
import { canonicalKey } from './canonical-key.ts';
import { compileRoute } from './compile-route.ts';
import { compileGlob } from './match-glob.ts';
import { retryDelayMs } from './retry-delay.ts';
import { routeDocumentSchema } from './route-schema.ts';

function matches(glob: string, path: string): boolean {
  const compiled = compileGlob(glob);
  if (!compiled.ok) throw new Error(compiled.message);
  return compiled.matches(path);
}

describe('globs', () => {
  it.each([
    ['*.csv', 'a.csv', true],
    ['*.csv', 'dir/a.csv', false],
    ['*.csv', '.csv', true],
    ['inbound/**/*.csv', 'inbound/a.csv', true],
    ['inbound/**/*.csv', 'inbound/x/y/a.csv', true],
    ['inbound/**/*.csv', 'inboundx/a.csv', false],
    ['inbound/**', 'inbound/x/y', true],
    ['inbound/**', 'inbound', false],
    ['**/a', 'a', true],
    ['**/a', 'xa', false],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['*.{csv,txt}', 'a.txt', true],
    ['*.{csv,txt}', 'a.xml', false],
    ['[a-c]*[!0-9]', 'bx', true],
    ['[a-c]*[!0-9]', 'b1', false],
    ['[!a]b', '/b', false],
    ['a+(b).csv', 'a+(b).csv', true],
    ['a.csv', 'axcsv', false],
    ['\\*.csv', '*.csv', true],
    ['\\*.csv', 'a.csv', false],
    ['*.CSV', 'a.csv', false],
    ['übung-*.csv', 'übung-1.csv', true],
    ['.*', '.hidden', true],
    ['*', 'line\nbreak', true],
  ])('%s takes %j: %s', (glob, path, expected) => {
    expect(matches(glob, path)).toBe(expected);
  });

  it.each(['', '/abs', 'a/../b', './a', 'a**b', '{a', '{a,{b}}', '[a', 'a\\', 'x'.repeat(300)])(
    'refuses %j',
    (glob) => {
      expect(compileGlob(glob)).toMatchObject({ ok: false, message: expect.any(String) });
    },
  );

  const segment = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 10 })
    .filter((text) => !text.includes('/') && text !== '.' && text !== '..' && text.isWellFormed());

  it('takes any path by its own escaped text, by ** and by * for each segment', () => {
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (segments) => {
        const path = segments.join('/');
        expect(matches(path.replace(/[\\*?[\]{},]/g, '\\$&'), path)).toBe(true);
        expect(matches('**', path)).toBe(true);
        expect(matches(segments.map(() => '*').join('/'), path)).toBe(true);
        expect(matches(['*', ...segments.map(() => '*')].join('/'), path)).toBe(false);
      }),
    );
  });

  it('never throws, and answers quickly whatever the glob and the path', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (glob, path) => {
        const compiled = compileGlob(glob);
        if (compiled.ok) expect(typeof compiled.matches(path)).toBe('boolean');
      }),
    );
    for (const [glob, piece] of [
      [`${'*a'.repeat(100)}b`, 'a'],
      [`${'**/'.repeat(60)}b`, 'a/'],
    ] as const) {
      const compiled = compileGlob(glob);
      if (!compiled.ok) throw new Error(compiled.message);
      expect(compiled.matches(piece.repeat(1_024))).toBe(false);
      expect(costGrowth((size) => compiled.matches(piece.repeat(size)), 1_000)).toBeLessThan(LINEAR);
    }
  });
});

describe('patterns', () => {
  it('match the whole name, in time linear in it', () => {
    const pattern = compileLinearPattern('(a+)+(b|bb)*c?');
    if (!pattern.ok) throw new Error(pattern.message);
    expect([pattern.matches('aabbc'), pattern.matches('xaab')]).toEqual([true, false]);
    expect(pattern.matches(`${'a'.repeat(5_000)}!`)).toBe(false);
    expect(costGrowth((size) => pattern.matches(`${'a'.repeat(size)}!`), 5_000)).toBeLessThan(LINEAR);
  });

  it.each(['(a', '(?=a)', '(a)\\1', 'a'.repeat(600), '((a{1000}){1000}){1000}'])('refuse %j', (source) => {
    expect(compileLinearPattern(source).ok).toBe(false);
  });
});

describe('durations and sizes', () => {
  it('read what they write', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 10 ** 9 }), (ms) => parseDurationMs(formatDuration(ms)) === ms));
  });

  it.each([
    ['500ms', 500],
    ['2s', 2_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
    ['2', undefined],
    ['2 weeks', undefined],
    ['-1s', undefined],
    ['', undefined],
  ])('duration %j is %s ms', (text, expected) => {
    expect(parseDurationMs(text)).toBe(expected);
  });

  it.each([
    ['512B', 512],
    ['10KB', 10_000],
    ['1.5MiB', 1_572_864],
    ['5 GB', 5_000_000_000],
    ['10kb', undefined],
    ['1e9B', undefined],
    ['', undefined],
  ])('size %j is %s bytes', (text, expected) => {
    expect(parseSizeBytes(text)).toBe(expected);
  });

  it('parse their own results to themselves', () => {
    const duration = durationSchema({ minMs: 0, maxMs: 10 ** 12 });
    expect(duration.parse(duration.parse('90m'))).toBe(5_400_000);
    expect(sizeSchema.parse(sizeSchema.parse('10MB'))).toBe(10_000_000);
    expect(
      duration.safeParse(-1).success || sizeSchema.safeParse(0.5).success || sizeSchema.safeParse('6TiB').success,
    ).toBe(false);
  });
});

describe('retry delays', () => {
  const policy = { maxAttempts: 3, firstDelay: 2_000, factor: 2, maxDelay: 60_000, jitter: 'full' as const };

  it('lie between nothing and the doubled ceiling, never above the greatest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          const delay = retryDelayMs(policy, attempt, () => random);
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(Math.min(60_000, 2_000 * 2 ** (attempt - 1)));
        },
      ),
    );
  });

  it('are exact without jitter', () => {
    const exact = { ...policy, jitter: 'none' as const };
    expect([1, 2, 3, 10].map((attempt) => retryDelayMs(exact, attempt, Math.random))).toEqual([
      2_000, 4_000, 8_000, 60_000,
    ]);
  });
});

describe('name templates', () => {
  const render = (source: string, facts = {}) => {
    const template = compileNameTemplate(source);
    if (!template.ok) throw new Error(template.message);
    return template.render({ ...SAMPLE_FACTS, ...facts });
  };

  it('know the parts of the name, the place and the day', () => {
    expect(
      render('{{ tenant }}/{{ directory }}/{{ year }}-{{ month }}-{{ day }}/{{ stem | upcase }}.{{ extension }}'),
    ).toBe('tenant/inbound/orders/2026-01-02/SAMPLE.csv');
    expect(render('{{ path }} {{ name }} {{ key }} {{ date }} {{ hour }}{{ minute }}{{ second }}')).toBe(
      'inbound/orders/sample.csv sample.csv tenant/inbound/orders/sample.csv 2026-01-02 030405',
    );
    expect(render('{% if extension == "" %}none{% else %}{{ extension }}{% endif %}', { name: 'README' })).toBe('none');
  });

  it.each([
    '{{ nope }}',
    '{{ name | nope }}',
    '{{ name',
    '{% include "/etc/passwd" %}',
    '{% render "x" %}',
    '{% for i in (1..100000000) %}x{% endfor %}',
    '{{ "now" | date: "%s" }}',
    '{{ constructor }}',
    '{{ name.constructor }}',
    'x'.repeat(600),
    `{{ key ${'| replace: "", key '.repeat(20)}}}`,
  ])('refuse %j', (source) => {
    expect(compileNameTemplate(source)).toMatchObject({ ok: false, message: expect.any(String) });
  });

  it('give keys that never leave the tenant, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 40 }), (name) => {
        const key = canonicalKey(render('{{ tenant }}/x/{{ name }}', { name }), 'tenant/');
        if (!key.ok) return;
        expect(key.key.startsWith('tenant/')).toBe(true);
        expect(key.key.split('/')).not.toContain('..');
        expect(canonicalKey(key.key, 'tenant/')).toEqual(key);
      }),
    );
    expect(canonicalKey('tenant/../other/x', 'tenant/').ok).toBe(false);
    expect(canonicalKey('tenant2/x', 'tenant/').ok).toBe(false);
    expect(canonicalKey('tenant/a\r\nb', 'tenant/').ok).toBe(false);
    expect(canonicalKey(`tenant/${'x'.repeat(1_024)}`, 'tenant/').ok).toBe(false);
    expect(canonicalKey('/tenant//a', 'tenant/')).toEqual({ ok: true, key: 'tenant/a' });
  });
});

describe('a compiled route', () => {
  const definition = {
    kind: 'route',
    tenant: 'acme',
    name: 'orders',
    match: { path: ['inbound/**/*.csv'], exclude: ['inbound/test/**'], minSize: 0, maxSize: '1KB' },
    acceptEmpty: false,
    steps: [{ validate: { marker: null, checksumSidecar: { suffix: '.sum' } } }, { deliver: null }, { confirm: {} }],
  };

  it('takes files by path and size', () => {
    const route = compileRoute(definition);
    expect(route.refuses(fileToMatch('inbound/a.csv', 10))).toBeUndefined();
    expect(route.refuses(fileToMatch('inbound/test/a.csv', 10))).toBeDefined();
    expect(route.refuses(fileToMatch('inbound/a.csv', 1_001))).toBeDefined();
    expect(route.refuses(fileToMatch('inbound/a.csv', 0))).toBeDefined();
    expect(compileRoute({ ...definition, acceptEmpty: true }).refuses(fileToMatch('inbound/a.csv', 0))).toBeUndefined();
  });

  it('knows companions of its files, and nobody else’s', () => {
    const route = compileRoute(definition);
    expect(route.isCompanion('inbound/a.csv.done')).toBe(true);
    expect(route.isCompanion('inbound/a.csv.sum')).toBe(true);
    expect(route.isCompanion('inbound/a.csv.sha256')).toBe(false);
    expect(route.isCompanion('elsewhere/a.csv.done')).toBe(false);
    expect(route.isCompanion('inbound/a.csv')).toBe(false);
  });

  it('gives long work to the large-file-worker only where bytes move', () => {
    const { steps } = compileRoute(definition);
    expect(steps.map((step) => [step.seq, step.kind, step.classOf(false), step.classOf(true)])).toEqual([
      [0, 'validate', 'short', 'long'],
      [1, 'deliver', 'short', 'long'],
      [2, 'confirm', 'short', 'short'],
    ]);
  });

  it('comes out the same from its definition, from the parsed one and from its JSON', () => {
    const parsed = routeDocumentSchema.parse(definition);
    expect(routeDocumentSchema.parse(parsed)).toEqual(parsed);
    expect(routeDocumentSchema.parse(JSON.parse(canonicalJson(parsed)))).toEqual(parsed);
    expect(definitionHash(routeDocumentSchema.parse(parsed))).toBe(definitionHash(parsed));
  });

  it('goes on with the longest records there are, where an earlier version took longer ones', () => {
    const csv = { everyRow: true, maxRecordBytes: 16_777_216 };
    const stored = { ...definition, steps: [{ validate: { csv } }, { deliver: {} }, { confirm: {} }] };
    expect(routeDocumentSchema.safeParse(stored).success).toBe(false);
    expect(compileRoute(stored).steps[0]?.options).toMatchObject({
      csv: { everyRow: true, maxRecordBytes: 1_048_576 },
    });
  });

  it('is refused with a code when the definition is none', () => {
    expect(() => compileRoute({ kind: 'route' })).toThrowError(expect.objectContaining({ code: 'ROUTE_INVALID' }));
    expect(() => compileRoute(null)).toThrowError(expect.objectContaining({ code: 'ROUTE_INVALID' }));
  });
});

it.each([
  ['America/Los_Angeles', '2026-11-29T02:27:00Z', '2026-11-28 18'],
  ['Asia/Kathmandu', '2026-11-29T18:20:00Z', '2026-11-30 00'],
  ['Europe/Berlin', '2026-03-29T01:00:00Z', '2026-03-29 03'],
  ['UTC', '2026-12-31T23:59:59Z', '2026-12-31 23'],
])('dates of keys are those of %s at the arrival', (timeZone, at, expected) => {
  const template = compileNameTemplate('{{ date }} {{ hour }}');
  if (!template.ok) throw new Error(template.message);
  expect(template.render({ ...SAMPLE_FACTS, timeZone, receivedAt: new Date(at) })).toBe(expected);
});
