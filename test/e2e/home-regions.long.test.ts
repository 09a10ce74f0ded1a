/**
 * Two fleets, one in Europe and one in America, and tenants at home in either: a file that arrives away from its home is left to it, is processed
 * there alone once the store has copied it, and at the other fleet once the tenant has moved.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';

const REGIONS = { europe: 'eu-west-1', america: 'us-east-1' } as const;
const KEY = 'acme/inbound/orders.csv';
const CONTENT = 'id\n1\n';

const fleets = {} as Record<keyof typeof REGIONS, TestFleet>;

const routes = (homeRegion: string) => `
kind: tenant
id: acme
name: Acme
homeRegion: ${homeRegion}
---
kind: route
tenant: acme
name: orders
match: { path: "inbound/**" }
steps: [{ deliver: { key: "{{ tenant }}/{{ name }}" } }, { confirm: }]
`;

beforeAll(async () => {
  for (const name of ['europe', 'america'] as const) {
    fleets[name] = await startTestFleet({
      tenants: ['acme'],
      routes: routes(REGIONS.europe),
      services: ['ingestor', 'router', 'partner-worker', 'retry-sweeper', 'control-api'],
      env: { all: { LONGSHORE_HOME_REGIONS: REGIONS[name] } },
    });
  }
}, 360_000);
afterAll(async () => {
  await Promise.all(Object.values(fleets).map((fleet) => fleet.stop()));
}, 120_000);

const fileIn = async (fleet: TestFleet) => {
  const [file] = await fleet.sql<{ id: string; status: string; code: string | null; message: string | null }[]>`
    SELECT id, status, error_code AS code, error_message AS message FROM files WHERE key = ${KEY}`;
  return file;
};
const untilStatus = (fleet: TestFleet, status: string) =>
  fleet.waitUntil(`the file is ${status}`, async () => (await fileIn(fleet))?.status === status, 120_000);
const has = (fleet: TestFleet, bucket: 'delivered' | 'landing', key: string) =>
  fleet.store.head({ bucket: fleet.bucket(bucket), key }).then((head) => head !== 'not-found');

test('a file that arrives away from its home is left there, and the API says whose it is', async () => {
  const { america } = fleets;
  await america.put(KEY, CONTENT);
  await untilStatus(america, 'ELSEWHERE');
  const file = await fileIn(america);
  expect(file).toMatchObject({ code: 'LEFT_TO_HOME', message: expect.stringContaining('eu-west-1') });
  const { body } = await america.api(`/api/v1/files/${file!.id}`);
  expect(JSON.stringify(body)).toContain('LEFT_TO_HOME');
  const list = await america.api('/api/v1/files?status=elsewhere');
  expect(list.body.files).toMatchObject([{ file_id: file!.id, status: 'elsewhere' }]);
  const [event] = await america.sql`SELECT 1 FROM audit_events WHERE type = 'file.elsewhere' AND file_id = ${file!.id}`;
  expect(event).toBeDefined();
  expect(await has(america, 'landing', KEY)).toBe(true);
  expect(await has(america, 'delivered', 'acme/orders.csv')).toBe(false);
});

test('its home processes the copy that the store makes, and the other fleet still does nothing', async () => {
  const { europe, america } = fleets;
  await europe.put(KEY, CONTENT);
  await untilStatus(europe, 'COMPLETED');
  expect(await has(europe, 'delivered', 'acme/orders.csv')).toBe(true);
  expect(await fileIn(america)).toMatchObject({ status: 'ELSEWHERE' });
});

test('a tenant that has moved has its files processed where they were left', async () => {
  const { america } = fleets;
  await america.applyRoutes(routes(REGIONS.america));
  const file = await fileIn(america);
  const { status, body } = await america.api(`/api/v1/files/${file!.id}/reroute`, {
    method: 'POST',
    body: { reason: 'acme has moved' },
  });
  expect({ status, body }).toMatchObject({ status: 200 });
  await untilStatus(america, 'COMPLETED');
  expect(await has(america, 'delivered', 'acme/orders.csv')).toBe(true);
});
