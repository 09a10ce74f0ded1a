import { expect, test, vi } from 'vitest';
import { compileText } from '#shared/partners/request-template.ts';
import { RouteCache } from './route-cache.ts';

const definition = {
  kind: 'route',
  tenant: 'acme',
  name: 'orders',
  match: { path: ['**'] },
  steps: [{ deliver: { bucket: 'delivered' } }],
};

test('jobs that ask side by side and later share one read', async () => {
  let reads = 0;
  const cache = new RouteCache({
    load: async () => {
      reads += 1;
      return definition;
    },
  });
  const found = await Promise.all([cache.find('v1'), cache.find('v1')]);
  await cache.find('v1');
  expect(reads).toBe(1);
  expect(found[0]).toMatchObject({ ok: true, route: { name: 'orders' } });
});

test('a read that failed is not kept', async () => {
  let reads = 0;
  const cache = new RouteCache({
    load: async () => {
      reads += 1;
      if (reads === 1) throw new Error('the database is away');
      return definition;
    },
  });
  await expect(cache.find('v1')).rejects.toThrow('away');
  expect(await cache.find('v1')).toMatchObject({ ok: true });
});

test('a version that could not be used is read again after some seconds', async () => {
  let stored: unknown = { name: 'x' };
  let nowMs = 0;
  let reads = 0;
  const load = async () => {
    reads += 1;
    return stored;
  };
  const cache = new RouteCache({ load, now: () => nowMs });
  expect(await cache.find('v1')).toMatchObject({ ok: false });
  stored = definition;
  expect(await cache.find('v1')).toMatchObject({ ok: false });
  expect(reads).toBe(1);
  nowMs = 5_000;
  expect(await cache.find('v1')).toMatchObject({ ok: true });
});

test('a process that stalls while it compiles a route does not refuse it', async () => {
  const named = {
    ...definition,
    steps: [{ deliver: { key: '{{ tenant }}/{% if name == "a" %}a{% else %}{{ name | upcase }}{% endif %}' } }],
  };
  let clockMs = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    clockMs += 60_000;
    return clockMs;
  });
  try {
    expect(await new RouteCache({ load: async () => named }).find('v1')).toMatchObject({ ok: true });
    expect(compileText('{{ record.a | append: "x" | upcase }}')({ record: { a: 'b' }, replies: {}, meta: {} })).toBe(
      'BX',
    );
  } finally {
    clock.mockRestore();
  }
});

test('a version that cannot be compiled still says which paths it takes, unless its match cannot be read', async () => {
  const newer = { ...definition, match: { path: ['in/*.csv'], exclude: [] }, steps: [{ teleport: {} }] };
  const found = await new RouteCache({ load: async () => newer }).find('v1');
  if (found.ok) throw new Error('it was to be refused');
  expect([found.takesPath?.('in/a.csv'), found.takesPath?.('out/a.csv')]).toEqual([true, false]);
  const unread = { ...newer, match: { ...newer.match, moods: ['blue'] } };
  expect(await new RouteCache({ load: async () => unread }).find('v1')).toMatchObject({
    ok: false,
    takesPath: undefined,
  });
});

test.each([
  ['is gone', undefined, 'ROUTE_VERSION_UNKNOWN'],
  ['is no definition', { name: 'x' }, 'ROUTE_INVALID'],
  ['has a step of a newer version', { ...definition, steps: [{ teleport: {} }] }, 'ROUTE_INVALID'],
])('a version that %s is a value with a cause', async (_name, stored, cause) => {
  const cache = new RouteCache({ load: async () => stored });
  expect(await cache.find('v1')).toMatchObject({ ok: false, cause });
});

test('the longest unused version goes first when the bound is reached', async () => {
  const reads: string[] = [];
  const cache = new RouteCache({
    maxRoutes: 2,
    load: async (id) => {
      reads.push(id);
      return definition;
    },
  });
  for (const id of ['v1', 'v2', 'v1', 'v3', 'v1', 'v2']) await cache.find(id);
  expect(reads).toEqual(['v1', 'v2', 'v3', 'v2']);
});
