import { afterAll, beforeAll, expect, test } from 'vitest';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { sealAudit } from '#testkit/seeds/seal-audit.ts';

let api: TestApi;
let address: string;

beforeAll(async () => {
  api = await startTestApi();
  address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  await api.sql`
    INSERT INTO audit_events (type, tenant_id, actor, detail)
    SELECT 'job.released', 'acme', 'operator:maria', jsonb_build_object('reason', 'looked at ' || n) FROM generate_series(1, 5) AS n`;
  await sealAudit(api.sql);
});
afterAll(() => api.stop());

const longshore = (...args: string[]) => longshoreAt(address, api.keys.operator)(...args);

test('lists who did what and why', async () => {
  const { code, out } = await longshore('audit', '--actor', 'operator:maria', '--tenant', 'acme', '--limit', '2');
  expect(code).toBe(0);
  expect(out).toMatch(/job\.released +operator:maria.*looked at \d\n.*looked at \d\n/);
  expect((await longshore('audit', '--type', 'nothing')).err).toContain('No lines of the audit match these filters.');
});

test('prints JSON, and times in UTC, with filters too', async () => {
  const { code, out } = await longshore('audit', '--tenant', 'acme', '--limit', '1', '--json', '--utc');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject([{ tenant: 'acme', actor: 'operator:maria' }]);
});

test('verifies every chain, and ends with another code when one is broken', async () => {
  const sound = await longshore('audit', 'verify');
  expect(sound.out).toMatch(/^unassigned: sound, \d+ lines/m);
  expect(sound).toMatchObject({ code: 0, err: '' });
  expect(sound.out).toMatch(/^acme: sound, \d+ lines, the last is \d+:[0-9a-f]{64}$/m);
  const [line] =
    await api.sql`SELECT event_id AS id, seq FROM audit_seals WHERE tenant_id = 'acme' ORDER BY seq DESC LIMIT 1 OFFSET 2`;
  await api.sql`UPDATE audit_events SET detail = '{"reason": "nothing"}' WHERE id = ${line!.id}`;
  const broken = await longshore('audit', 'verify', '--tenant', 'acme');
  expect(broken.code).toBe(6);
  expect(broken.out).toMatch(/^acme: 1 faults/);
  expect(broken.out).toMatch(new RegExp(`altered +${line!.seq} +${line!.id}`));
});
