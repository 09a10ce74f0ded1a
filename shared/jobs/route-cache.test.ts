import { expect, test } from 'vitest';
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
