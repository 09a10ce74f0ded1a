/** Slots of a remote as a real database gives them, to many processes at a time. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { applyDefinition } from '#shared/definitions/apply-definitions.ts';
import { emptyTables } from '#testkit/seeds/empty-tables.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { useTestDatabase } from '#testkit/servers/use-test-database.ts';
import { freeSlot, leaseSlot, noteAnnounced, noteConnected, noteLegacy } from './remote-slots.ts';

let sql: Sql;
useTestDatabase(
  (connected) => {
    sql = connected;
  },
  { poolMax: 20 },
);

const REMOTE = { tenantId: 'acme', name: 'partner' };

beforeEach(async () => {
  await emptyTables(sql, 'remotes', 'remote_connections');
  await seedTenant(sql, { tenantId: 'acme', routes: 0 }).catch(() => undefined);
  await applyDefinition(sql, 'remote', { ...REMOTE, definition: {}, definitionHash: 'x' }, 'test');
});

const lease = (connections: number, token = randomUUID()) =>
  leaseSlot(sql, { ...REMOTE, connections, token, secretVersion: '1', worker: 'test', leaseMs: 60_000 });

test('of many who ask at once each has a slot while there are enough, and nobody one more', async () => {
  for (let round = 1; round <= 5; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => lease(16)));
    const counts = Map.groupBy(answers, ({ type }) => type);
    expect(counts.get('leased')).toHaveLength(16);
    expect(counts.get('full')).toHaveLength(4);
    expect(await sql`SELECT FROM remote_connections`).toHaveLength(16);
    await sql`DELETE FROM remote_connections`;
  }
});

test('a slot that was given back serves the next one', async () => {
  const token = randomUUID();
  expect(await lease(1, token)).toEqual({ type: 'leased', hadFailed: false, isNoted: false });
  expect(await lease(1)).toEqual({ type: 'full' });
  await freeSlot(sql, token);
  const connection = { fingerprint: 'SHA256:its', certificateEndsAt: undefined };
  await noteConnected(sql, REMOTE, connection, 'test');
  expect(await lease(1)).toEqual({ type: 'leased', hadFailed: false, isNoted: true });
});

test('what a server announces, and what is old of it, is told once a day', async () => {
  const events = async () =>
    await sql`SELECT type, detail FROM audit_events WHERE type LIKE 'remote.%' AND type <> 'remote.applied' ORDER BY type, detail ->> 'algorithm' DESC`;
  for (let time = 0; time < 2; time += 1) {
    await noteAnnounced(sql, REMOTE, ['SHA256:next'], 'test');
    await noteLegacy(sql, REMOTE, ['ssh-rsa', 'hmac-sha1'], 'test');
  }
  expect(await events()).toEqual([
    {
      type: 'remote.key-announced',
      detail: {
        remote: 'partner',
        fingerprint: 'SHA256:next',
        hint: 'Add SHA256:next to hostKeys after asking the partner.',
      },
    },
    { type: 'remote.legacy-algorithm', detail: { remote: 'partner', algorithm: 'ssh-rsa' } },
    { type: 'remote.legacy-algorithm', detail: { remote: 'partner', algorithm: 'hmac-sha1' } },
  ]);
});
