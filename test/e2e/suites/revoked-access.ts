/** Access that is taken away, on a fleet: what was open ends, what was allowed is refused, the audit says who did it; and an audit that somebody altered. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { runLongshore } from '#testkit/servers/run-longshore.ts';
import type { SftpClient } from '#testkit/servers/sftp-client.ts';

const TENANT = 'shut';
export const REVOKED_ROUTES = `
kind: route
tenant: ${TENANT}
name: orders
match: { path: "orders/**" }
steps: [{ deliver: {} }]
`;
/** As promised. */
const WITHIN_MS = 60_000;

export function revokedAccess(running: () => TestFleet): void {
  let fleet: TestFleet;
  beforeAll(() => {
    fleet = running();
  });

  async function longshore(...args: string[]): Promise<string> {
    const { code, out, err } = await runLongshore(fleet.home, args);
    expect([code, err], args.join(' ')).toEqual([0, expect.any(String)]);
    return out;
  }
  const userName = () => fleet.stack.endpoints.tenants[TENANT]!.sftpUser;
  const untilEnded = (client: SftpClient) =>
    expect
      .poll(() => client.makeDirectory('/orders').then(String, String), { timeout: WITHIN_MS })
      .toContain('closed the connection');
  const login = () =>
    fleet.sftp(TENANT).then(
      (client) => client.close() ?? 'in',
      () => 'refused',
    );
  const untilLogin = (answer: string) => expect.poll(login, { timeout: WITHIN_MS }).toBe(answer);
  async function fileOf(name: string): Promise<Record<string, unknown> | undefined> {
    const { body } = await fleet.api(`/api/v1/files?tenant=${TENANT}&name=${name}`);
    return (body.files as Record<string, unknown>[])[0];
  }
  const untilFile = (name: string, like: object) =>
    expect.poll(() => fileOf(name), { timeout: WITHIN_MS }).toMatchObject(like);
  const auditOf = (type: string) =>
    fleet.sql`SELECT actor, detail ->> 'reason' AS reason FROM audit_events WHERE type = ${type} AND tenant_id = ${TENANT}`;

  test('an SFTP user: its open session ends, it cannot log in, and can again when it is enabled', async () => {
    const [open, uploading] = [await fleet.sftp(TENANT), await fleet.sftp(TENANT)];
    await uploading.makeDirectory('/orders');
    await longshore('disable', 'sftp-user', userName(), '--reason', 'lost laptop');
    await Promise.all([untilEnded(open), untilEnded(uploading), untilLogin('refused')]);
    expect(await auditOf('sftp-user.disabled')).toEqual([
      { actor: expect.stringMatching(/^operator:/), reason: 'lost laptop' },
    ]);
    await longshore('enable', 'sftp-user', userName(), '--reason', 'found it');
    await untilLogin('in');
  }, 300_000);

  test('a key: requests with it are refused', async () => {
    const made = JSON.parse(await longshore('keys', 'create', '--tenant', TENANT, '--label', 'erp', '--json'));
    const ask = async () =>
      (await fetch(new URL('/api/v1/me', fleet.stack.endpoints.api), { headers: { 'x-api-key': made.key } })).status;
    expect(await ask()).toBe(200);
    await longshore('keys', 'revoke', made.key_id);
    await expect.poll(ask, { timeout: WITHIN_MS }).toBe(401);
    expect(await auditOf('api-key.revoked')).toHaveLength(1);
  }, 180_000);

  test('a route: it takes nothing, and what it left is taken when it is enabled and the file routed again', async () => {
    await longshore('disable', 'route', `${TENANT}/orders`, '--reason', 'wrong target');
    await fleet.put(`${TENANT}/orders/while-disabled.csv`, 'a');
    await untilFile('while-disabled.csv', { status: 'quarantined', error: { code: 'NO_ROUTE' } });
    await longshore('enable', 'route', `${TENANT}/orders`, '--reason', 'right target');
    await longshore('reroute', 'while-disabled.csv', '--reason', 'right target');
    await untilFile('while-disabled.csv', { status: 'completed' });
  }, 300_000);

  test('a tenant: its sessions end, its key is refused, its files are quarantined', async () => {
    const open = await fleet.sftp(TENANT);
    expect((await fleet.api('/api/v1/me', { tenant: TENANT })).status).toBe(200);
    await longshore('disable', 'tenant', TENANT, '--reason', 'contract ended');
    const statusOfKey = async () => (await fleet.api('/api/v1/me', { tenant: TENANT })).status;
    await Promise.all([
      untilEnded(open),
      untilLogin('refused'),
      expect.poll(statusOfKey, { timeout: WITHIN_MS }).toBe(401),
    ]);
    await fleet.put(`${TENANT}/orders/too-late.csv`, 'a');
    await untilFile('too-late.csv', { status: 'quarantined', error: { code: 'TENANT_DISABLED' } });
    await longshore('enable', 'tenant', TENANT, '--reason', 'contract renewed');
    await expect.poll(statusOfKey, { timeout: WITHIN_MS }).toBe(200);
  }, 300_000);

  describe('the audit', () => {
    const verify = async () => {
      const { code, out } = await runLongshore(fleet.home, ['audit', 'verify', '--tenant', TENANT]);
      return { code, out };
    };

    test('is sound, and names a line that somebody altered in the database', async () => {
      const isSealed = async () => {
        const [row] = await fleet.sql<{ open: number }[]>`
          SELECT count(*)::int AS open FROM audit_events e WHERE tenant_id = ${TENANT}
            AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.event_id = e.id)`;
        return row?.open;
      };
      await expect.poll(isSealed, { timeout: WITHIN_MS }).toBe(0);
      expect(await verify()).toEqual({ code: 0, out: expect.stringContaining('sound') });
      const [line] = await fleet.sql<{ id: string; at: Date; actor: string }[]>`
        SELECT id, at, actor FROM audit_events WHERE tenant_id = ${TENANT} AND type = 'tenant.disabled'`;
      const sign = (actor: string) =>
        fleet.sql`UPDATE audit_events SET actor = ${actor} WHERE id = ${line!.id} AND tenant_id = ${TENANT}`;
      await sign('operator:somebody-else');
      try {
        const { code, out } = await verify();
        expect([code, out]).toEqual([6, expect.stringMatching(new RegExp(`altered +\\d+ +${line!.id}`))]);
      } finally {
        await sign(line!.actor);
      }
      expect(await verify()).toMatchObject({ code: 0 });
    }, 180_000);
  });
}
