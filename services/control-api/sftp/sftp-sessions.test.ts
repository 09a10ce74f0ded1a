import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  directoryChanged,
  downloadCompleted,
  fileDeleted,
  renameCompleted,
  type TransferEvent,
  uploadCompleted,
  uploadFailed,
} from '#local/sftp/transfer-event.ts';
import { applySftpUser } from '#shared/definitions/apply-sftp-users.ts';
import { LANDING_EVENTS, type SftpEvent } from '#shared/messages/landing-events.ts';
import { decodeMessage } from '#shared/queue/define-message.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { deleteExpiredSessions } from '#shared/sftp/delete-expired-sessions.ts';
import { recordSftpActions } from '#shared/sftp/record-sftp-actions.ts';
import { longshoreAt } from '#testkit/beds/longshore-at.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const START = Date.parse('2026-03-04T05:06:00Z');
const LANDING = 'longshore-landing';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  await seedTenant(api.sql, { tenantId: 'globex' });
  await applySftpUser(api.sql, { username: 'alice', tenantId: 'acme', publicKey: 'k', homePrefix: 'acme/' }, 'test');
  await record([...ofAlice(), ...ofUnknown()]);
});
afterAll(() => api.stop());

/** From `second` of the session to the next. */
function at(second: number, sessionId = 'a1', username = 'alice') {
  return {
    server: { serverId: 's-1', region: 'us-east-1', account: '000000000000' },
    session: { sessionId, username, clientIp: '10.0.0.7' },
    startedAt: new Date(START + second * 1_000),
    endedAt: new Date(START + (second + 1) * 1_000),
  };
}
const inLanding = (key: string) => ({ bucket: LANDING, key });

function ofAlice(): TransferEvent[] {
  return [
    directoryChanged(at(0), 'Create', inLanding('acme/in')),
    uploadCompleted(at(1), { ...inLanding('acme/in/a.tmp'), bytes: 100, etag: 'e' }),
    renameCompleted(at(2), { bucket: LANDING, fromKey: 'acme/in/a.tmp', toKey: 'acme/in/a.csv' }),
    uploadCompleted(at(3), { ...inLanding('acme/in/b.csv'), bytes: 50, etag: 'e' }),
    uploadFailed(at(4), { ...inLanding('acme/in/c.csv'), bytes: 7, failureCode: 'PARTIAL_UPLOAD' }),
    downloadCompleted(at(5), { bucket: 'longshore-outbound', key: 'acme/answer.csv', bytes: 900 }),
    fileDeleted(at(6), inLanding('acme/in/b.csv')),
  ];
}
/** A user that no row names: the directory says whose it is. */
function ofUnknown(): TransferEvent[] {
  return [uploadCompleted(at(60, 'g1', 'gone'), { ...inLanding('globex/x.csv'), bytes: 1, etag: 'e' })];
}

async function record(events: readonly TransferEvent[]): Promise<number> {
  const decoded = events.map((event) => decodeMessage(LANDING_EVENTS as never, JSON.stringify(event)));
  const messages = decoded.map((each) => {
    if (!each.ok) throw new Error(each.reason);
    return each.message as SftpEvent;
  });
  return await recordSftpActions(api.sql, messages, { actor: 'ingestor', logger });
}

async function ask(path: string, key = api.keys.operator) {
  const reply = await api.app.inject({ url: `/api/v1/sftp-sessions${path}`, headers: { 'x-api-key': key } });
  return { status: reply.statusCode, body: reply.json() };
}
const idsOf = async (query: string, key?: string) =>
  ((await ask(query, key)).body.sessions as { session_id: string }[]).map(({ session_id }) => session_id);

test('a session has the sums of its actions, each counted once however often it is reported', async () => {
  const [again] = ofAlice();
  const events = [again!, { ...again!, id: crypto.randomUUID() }];
  // Its own session: the one that the other tests look at stays as it is.
  const repeated = events.map((event) => ({ ...event, detail: { ...event.detail, 'session-id': 'r1' } }));
  expect(await record(repeated)).toBe(2);
  expect(await record(repeated)).toBe(0);
  expect((await ask('/r1')).body).toMatchObject({ other_actions: 2, uploads: 0, failures: 0 });
  expect((await ask('/a1')).body).toMatchObject({
    tenant: 'acme',
    username: 'alice',
    client_ip: '10.0.0.7',
    server_id: 's-1',
    first_at: '2026-03-04T05:06:00.000000Z',
    last_at: '2026-03-04T05:06:07.000000Z',
    uploads: 2,
    uploaded_bytes: 150,
    downloads: 1,
    downloaded_bytes: 900,
    other_actions: 3,
    failures: 1,
  });
});

test('its actions are listed in order, a page after the other', async () => {
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await ask(`/a1?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
    seen.push(...body.actions.map((each: { action: string; failure: unknown }) => each.action));
    cursor = body.next_cursor;
  }
  expect(seen).toEqual(['make-directory', 'upload', 'rename', 'upload', 'upload', 'download', 'delete']);
  const { actions } = (await ask('/a1')).body;
  expect(actions[2]).toMatchObject({
    path: `/${LANDING}/acme/in/a.tmp`,
    new_path: `/${LANDING}/acme/in/a.csv`,
    duration_ms: 1_000,
    failure: null,
  });
  expect(actions[4]).toMatchObject({ failure: 'File was partially uploaded.', size_bytes: 7 });
});

test('sessions are found by tenant, user, address, failure and time, newest first', async () => {
  const first = '?to=2026-03-04T05:06:00.5Z';
  expect(await idsOf('?tenant=globex')).toEqual(['g1']);
  expect(await idsOf('?username=gone')).toEqual(['g1']);
  expect(await idsOf(`${first}&failed=true`)).toEqual(['a1']);
  expect(await idsOf('?client_ip=10.0.0.8')).toEqual([]);
  expect(await idsOf('?from=2026-03-04T05:06:30Z')).toEqual(['g1']);
  expect(await idsOf('?limit=1')).toEqual(['g1']);
  const { next_cursor } = (await ask('?limit=1')).body;
  expect(await idsOf(`?cursor=${next_cursor}`)).not.toContain('g1');
  expect((await ask('?cursor=x')).status).toBe(400);
});

test('a tenant sees its own sessions, and another’s is not there', async () => {
  expect(await idsOf('', api.keys.globex)).toEqual(['g1']);
  expect(await idsOf('?tenant=acme', api.keys.globex)).toEqual([]);
  expect(await ask('/a1', api.keys.globex)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
});

test('each action is a line of the audit, once', async () => {
  const lines = await api.sql`
    SELECT type, tenant_id, detail ->> 'username' AS username FROM audit_events
    WHERE type LIKE 'sftp.%' AND detail ->> 'sessionId' = 'a1' ORDER BY detail ->> 'endedAt'`;
  expect(lines.map(({ type }) => type)).toEqual(
    ['make-directory', 'upload', 'rename', 'upload', 'upload', 'download', 'delete'].map((each) => `sftp.${each}`),
  );
  expect(new Set(lines.map(({ tenant_id, username }) => `${tenant_id} ${username}`))).toEqual(new Set(['acme alice']));
});

test('the command lists sessions and what was done in one', async () => {
  const longshore = longshoreAt(await api.app.listen({ host: '127.0.0.1', port: 0 }), api.keys.operator);
  const listed = await longshore('sftp-sessions', '--tenant', 'acme', '--failed');
  expect(listed.out).toMatch(/^2026-03-04 .* acme +alice +10\.0\.0\.7 +2 +150 +1 +900 +1 +a1$/m);
  const shown = await longshore('sftp-sessions', 'show', 'a1');
  expect(shown.out).toMatch(/upload +\/longshore-landing\/acme\/in\/c\.csv +7 +1000 +File was partially uploaded\.$/m);
});

test('retention removes the sums with their actions', async () => {
  await record([
    uploadCompleted(
      { ...at(0, 'old'), endedAt: new Date('2020-01-01') },
      { ...inLanding('acme/o'), bytes: 1, etag: 'e' },
    ),
  ]);
  await deleteExpiredSessions(api.sql, new Date('2021-01-01'), new AbortController().signal);
  expect((await ask('/old')).status).toBe(404);
  expect((await ask('/a1')).status).toBe(200);
});
