/**
 * What records end with, to the letter: codes, tries and calls; what goes back to the sender and may be sent again; an operator's decision; and
 * that no secret is anywhere.
 */
import { once } from 'node:events';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeSecret } from '#local/launcher/keys.ts';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { checkGuarantees } from '#testkit/checks/check-guarantees.ts';
import { definitions, recordsCsv, testPartner, testRoute } from '#testkit/seeds/record-definitions.ts';
import { readOutbound, readOutboundRows, recordJobOf, recordsOf, untilFileEnded } from '#testkit/seeds/record-files.ts';

const TENANT = 'exact';
const ENDED_MS = 60_000;
const AMOUNTS = {
  columns: [{ name: 'id', required: true, maxLength: 20 }, { name: 'remark' }, { name: 'amount', type: 'integer' }],
};

const APIS = ['validation', 'assignments', 'coupon-verification'] as const;

export function exactDefinitions(partnerUrl: string): string {
  const route = (name: string, records?: Record<string, unknown>) =>
    testRoute({ tenant: TENANT, name, partner: 'desk', ...(records !== undefined && { records }) });
  return definitions(
    testPartner({ tenant: TENANT, name: 'desk', baseUrl: partnerUrl, breaker: { failures: 1_000 } }),
    route('three'),
    route('repaired'),
    route('rows', { ...AMOUNTS, onReject: { action: 'reject-rows', upToShare: '50%' } }),
    route('held', { ...AMOUNTS, onReject: { action: 'hold' } }),
  );
}

export function recordsExact(running: () => TestFleet): void {
  let fleet: TestFleet;
  beforeAll(() => {
    fleet = running();
  });

  /** Calls of a record at each of the three, e.g. `1/1/3`. */
  async function callsOf(record: string): Promise<string> {
    const calls = await fleet.partner.callsOf(record);
    return APIS.map((api) => calls.filter((call) => call.api === api).length).join('/');
  }

  const say = async (key: string, word: string, body: object) => {
    const job = await recordJobOf(fleet, key);
    return await fleet.api(`/api/v1/jobs/${job?.id}/${word}`, { method: 'POST', body });
  };

  test('three records fail for good, one per API, and one that fails twice at the third succeeds unattended', async () => {
    const key = `${TENANT}/three/exact.csv`;
    await fleet.put(
      key,
      recordsCsv([
        ['x-1', 'SIM:V:reject'],
        ['x-2', 'SIM:A:reject'],
        ['x-3', 'SIM:C:reject'],
        ['x-4', 'SIM:C:reject:2'],
        ['x-5'],
      ]),
    );
    await untilFileEnded(fleet, key, ENDED_MS);
    const failed = { state: 'FAILED', cause: 'BUSINESS_REJECTION', tries: 4, reference: null, waitS: null };
    expect(await recordsOf(fleet, key)).toMatchObject([
      {
        ...failed,
        id: 'x-1',
        step: 0,
        code: 'VALIDATION_ERROR',
        message: 'The partner said: V042: The record is not valid.',
      },
      {
        id: 'x-2',
        step: 1,
        code: 'ASSIGNMENTS_ERROR',
        message: 'The partner said: A017: There is no assignment.',
        ...failed,
        reference: expect.stringMatching(/^VAL-/),
      },
      {
        id: 'x-3',
        step: 2,
        code: 'VERIFICATION_ERROR',
        message: 'The partner said: C009: The coupon is not known.',
        ...failed,
        reference: expect.stringMatching(/^ASG-/),
      },
      { id: 'x-4', state: 'SUCCESS', step: 2, tries: 3, code: null, cause: null, message: null },
      { id: 'x-5', state: 'SUCCESS', step: 2, tries: 1 },
    ]);
    const calls = await Promise.all(['x-1', 'x-2', 'x-3', 'x-4', 'x-5'].map(callsOf));
    expect(calls).toEqual(['4/0/0', '1/4/0', '1/1/4', '1/1/3', '1/1/1']);
    expect(await readOutboundRows(fleet, `${TENANT}/results/three/exact.csv`)).toMatchObject([
      { line: '2', key: 'x-1', state: 'FAILED', code: 'VALIDATION_ERROR', cause: 'BUSINESS_REJECTION' },
      { line: '3', key: 'x-2', state: 'FAILED', code: 'ASSIGNMENTS_ERROR' },
      { line: '4', key: 'x-3', state: 'FAILED', code: 'VERIFICATION_ERROR' },
      { line: '5', key: 'x-4', state: 'SUCCESS', code: '', reference: expect.stringMatching(/^CPN-/) },
      { line: '6', key: 'x-5', state: 'SUCCESS' },
    ]);
    expect(await recordJobOf(fleet, key)).toMatchObject({ state: 'SUCCEEDED', generation: 1, openRecords: 0 });
  });

  test('after the partner was repaired an operator takes up what failed by its code, and nothing else', async () => {
    const key = `${TENANT}/repaired/down.csv`;
    await fleet.partner.setBehaviour({ faults: [{ api: 'assignments', fault: '503' }] });
    await fleet.put(key, recordsCsv([['d-1'], ['d-2'], ['d-3', 'SIM:V:final']]));
    await untilFileEnded(fleet, key, ENDED_MS);
    expect(await recordJobOf(fleet, key)).toMatchObject({ state: 'FAILED', cause: 'RECORDS_FAILED' });
    await fleet.partner.setBehaviour({});

    const codes = ['ASSIGNMENTS_ERROR'];
    expect((await say(key, 'records/retry', { codes, dry_run: true })).body).toEqual({
      dry_run: true,
      records: 2,
      ambiguous: 0,
    });
    const taken = await say(key, 'records/retry', { codes, reason: 'the partner is back' });
    expect(taken).toEqual({ status: 200, body: { dry_run: false, records: 2, ambiguous: 0 } });
    await untilFileEnded(fleet, key, ENDED_MS);
    expect(await recordJobOf(fleet, key)).toMatchObject({ state: 'SUCCEEDED', generation: 2 });
    expect((await recordsOf(fleet, key)).map(({ id, state }) => `${id} ${state}`)).toEqual([
      'd-1 SUCCESS',
      'd-2 SUCCESS',
      'd-3 FAILED',
    ]);
    expect(await Promise.all(['d-1', 'd-2', 'd-3'].map(callsOf))).toEqual(['1/5/1', '1/5/1', '1/0/0']);
    const [word] = await fleet.sql`
      SELECT actor, detail ->> 'reason' AS reason, (detail ->> 'records')::int AS records FROM audit_events
      WHERE type = 'records.reopened'`;
    expect(word).toMatchObject({
      actor: expect.stringMatching(/^operator/),
      reason: 'the partner is back',
      records: 2,
    });
    const outbound = await readOutboundRows(fleet, `${TENANT}/results/repaired/down.csv`);
    expect(outbound.map(({ state }) => state)).toEqual(['SUCCESS', 'SUCCESS', 'FAILED']);
  });

  test('rejected rows come back with their reasons; corrected they are carried, and the whole file again carries nothing', async () => {
    const key = `${TENANT}/rows/mixed.csv`;
    const file = 'id,remark,amount\nm-1,,5\nm-2,,many\nm-3,,7\nthis-key-is-far-too-long,,1\n';
    await fleet.put(key, file);
    await untilFileEnded(fleet, key, ENDED_MS);
    expect((await recordsOf(fleet, key)).map(({ line, state, code }) => [line, state, code])).toEqual([
      [2, 'SUCCESS', null],
      [3, 'REJECTED', 'PARSE_ERROR'],
      [4, 'SUCCESS', null],
      [5, 'REJECTED', 'PARSE_ERROR'],
    ]);
    const rejects = await readOutbound(fleet, `${TENANT}/rejects/rows/mixed.csv`);
    const reasons = await readOutboundRows(fleet, `${TENANT}/rejects/rows/mixed.csv`);
    expect(reasons.map(({ id }) => id)).toEqual(['m-2', 'this-key-is-far-too-long']);
    expect(reasons[0]?.reject_reason).toMatch(/amount/);
    const outbound = await readOutboundRows(fleet, `${TENANT}/results/rows/mixed.csv`);
    expect(outbound.map(({ state }) => state)).toEqual(['SUCCESS', 'REJECTED', 'SUCCESS', 'REJECTED']);

    const corrected = `${TENANT}/rows/corrected.csv`;
    await fleet.put(corrected, rejects.replace('many', '6').replace('this-key-is-far-too-long', 'm-4'));
    await untilFileEnded(fleet, corrected, ENDED_MS);
    expect((await recordsOf(fleet, corrected)).map(({ id, state }) => `${id} ${state}`)).toEqual([
      'm-2 SUCCESS',
      'm-4 SUCCESS',
    ]);

    const again = `${TENANT}/rows/again.csv`;
    await fleet.put(again, file.replace('many', '6').replace('this-key-is-far-too-long', 'm-4'));
    await untilFileEnded(fleet, again, ENDED_MS);
    const causes = (await recordsOf(fleet, again)).map(({ state, code, cause }) => `${state} ${code} ${cause}`);
    expect(causes).toEqual(Array(4).fill('REJECTED PARSE_ERROR RECORD_DUPLICATE'));
    expect(await recordJobOf(fleet, again)).toMatchObject({ state: 'SUCCEEDED' });
    expect(await Promise.all(['m-1', 'm-2', 'm-3', 'm-4'].map(callsOf))).toEqual(Array(4).fill('1/1/1'));
  });

  test('a file that is held makes no call before an operator releases it', async () => {
    const key = `${TENANT}/held/held.csv`;
    await fleet.put(key, 'id,remark,amount\nh-1,,5\nh-2,,many\n');
    const isHeld = async () => (await recordJobOf(fleet, key))?.waitReason === 'HELD';
    await fleet.waitUntil('the file is held', isHeld, ENDED_MS);
    expect(await fleet.partner.callsOf('h-1')).toEqual([]);
    expect((await say(key, 'release', { reason: 'one bad row is fine' })).status).toBe(200);
    await untilFileEnded(fleet, key, ENDED_MS);
    expect((await recordsOf(fleet, key)).map(({ id, state }) => `${id} ${state}`)).toEqual([
      'h-1 SUCCESS',
      'null REJECTED',
    ]);
    expect(await callsOf('h-1')).toBe('1/1/1');
  });

  describe('secrets', () => {
    /** Each is found by its own word wherever it lies. */
    const SECRETS = {
      'static-key': 'seeded-static-key-4f1c',
      'client-secret': 'seeded-client-secret-9a2e',
      'hmac-key': 'seeded-hmac-key-77d0',
    };
    const TOKEN = 'seeded-access-token-c3b8';
    const IN_REPLY = 'seeded-in-a-reply-15ee';
    const SEEDED = /seeded-(?:static-key|client-secret|hmac-key|access-token|in-a-reply)/;
    const key = `${TENANT}/echo/echo.csv`;

    let echo: Server;
    /** The headers that it saw, so that the secrets are known to have gone out. */
    const seen: string[] = [];

    beforeAll(async () => {
      echo = createServer((request, response) => {
        const headers = JSON.stringify(request.headers);
        seen.push(headers);
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const body = Buffer.concat(chunks).toString();
          if (request.url === '/oauth/token') {
            response.end(JSON.stringify({ access_token: TOKEN, token_type: 'Bearer', expires_in: 300 }));
            return;
          }
          // What a careless partner gives back: all that it was given, in body and headers.
          const status = Number(/echo-(\d{3})/.exec(body)?.[1] ?? 200);
          response.writeHead(status, { 'x-debug': headers.replace(/[^\x20-\x7e]/g, ''), 'set-cookie': IN_REPLY });
          response.end(
            JSON.stringify({ status: status === 200 ? 'VALID' : 'INVALID', debug: headers, secret: IN_REPLY }),
          );
        });
      });
      echo.listen(0, '127.0.0.1');
      await once(echo, 'listening');
    });
    afterAll(() => {
      echo?.closeAllConnections();
      echo?.close();
    });

    test('that are seeded in the store, in headers and in replies are in no log, metric, error, attempt, audit row or results file', async () => {
      const directory = join(fleet.home, 'keys', 'secrets', TENANT);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      for (const [name, text] of Object.entries(SECRETS)) await writeSecret(join(directory, name), text);
      const baseUrl = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
      const oauth = { type: 'oauth2-client-credentials', tokenUrl: `${baseUrl}/oauth/token`, clientId: 'acme' };
      const auths = {
        static: { type: 'static', header: 'x-api-key', secret: 'static-key' },
        oauth: { ...oauth, clientSecret: 'client-secret', credentials: 'body' },
        hmac: { type: 'hmac', secret: 'hmac-key' },
      };
      const operations = [{ operation: 'validate', code: 'VALIDATION_ERROR' }];
      await fleet.applyRoutes(
        definitions(
          ...Object.entries(auths).flatMap(([name, auth]) => [
            testPartner({ tenant: TENANT, name, baseUrl, auth, maxReply: '10KB' }),
            // Without a business key: what this partner accepted is in no ledger.
            testRoute({
              tenant: TENANT,
              name,
              partner: name,
              calls: operations,
              retry: { maxSweeps: 1 },
              records: { businessKey: undefined },
            }),
          ]),
        ),
      );
      const names = Object.keys(auths);
      const rows = (name: string) =>
        ['200', '401', '422', '500', '302'].map((status) => [`echo-${status}-${name}`] as const);
      for (const name of names) await fleet.put(key.replaceAll('echo', name), recordsCsv(rows(name)));
      for (const name of names) await untilFileEnded(fleet, key.replaceAll('echo', name), ENDED_MS);
      for (const name of names) {
        const causes = (await recordsOf(fleet, key.replaceAll('echo', name))).map(({ cause, state }) => cause ?? state);
        expect(causes, name).toEqual(['SUCCESS', 'HTTP_401', 'BUSINESS_REJECTION', 'HTTP_500', 'PARTNER_REDIRECT']);
      }
      const sent = seen.join('\n');
      expect(sent).toContain(SECRETS['static-key']);
      expect(sent).toContain(`Bearer ${TOKEN}`);
      expect(sent).toMatch(/"x-signature":"[0-9a-f]{64}"/);

      const leaks: string[] = [];
      for (const [place, text] of await readAll())
        if (SEEDED.test(text)) leaks.push(`${place}: ${SEEDED.exec(text)?.[0]}`);
      expect(leaks).toEqual([]);
    });

    /** Everything that a fleet writes, with the place where it is. */
    async function readAll(): Promise<[place: string, text: string][]> {
      const logs = (await readdir(join(fleet.home, 'logs'))).map((name) => join(fleet.home, 'logs', name));
      const metrics = Object.values(fleet.stack.endpoints.metrics);
      const tables = await fleet.sql<{ name: string }[]>`
        SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`;
      const reports = await fleet.store.listVersions({ bucket: fleet.bucket('outbound') });
      const places = [
        ...logs.map(async (path) => [path, await readFile(path, 'utf8')] as const),
        ...metrics.map(async (url) => [url, await (await fetch(url)).text()] as const),
        ...tables.map(async ({ name }) => {
          const [row] = await fleet.sql.unsafe(
            `SELECT coalesce(string_agg(t::text, chr(10)), '') AS text FROM "${name}" t`,
          );
          return [name, String(row?.text)] as const;
        }),
        ...reports.items.map(async (item) => [item.key, await readOutbound(fleet, item.key)] as const),
      ];
      expect(logs.length).toBeGreaterThan(5);
      expect(reports.items.length).toBeGreaterThan(5);
      return (await Promise.all(places)).map(([place, text]) => [place, text]);
    }
  });

  test('after all of it every guarantee holds', async () => {
    expect(await checkGuarantees(fleet)).toEqual([]);
  });
}
