import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { controlPartner } from '#shared/partners/control-partner.ts';
import { acknowledge, leave, release } from '#shared/queue/disposition.ts';
import { SecretError, type SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { neverStops, until } from '#testkit/beds/job-runner.ts';
import { startRecordBed } from '#testkit/beds/record-bed.ts';
import { sweepRecords } from './sweep-records.ts';

type Bed = Awaited<ReturnType<typeof startRecordBed>>;

let bed: Bed;
let sql: Bed['sql'];
let partner: Bed['partner'];

beforeAll(async () => {
  bed = await startRecordBed();
  ({ sql, partner } = bed);
});
afterAll(() => bed?.stop());
beforeEach(() => bed.reset());
afterEach(() => bed.endRunners());

interface RecordRow {
  readonly line: number;
  readonly state: string;
  readonly step: number;
  readonly tries: number;
  readonly code: string | null;
  readonly cause: string | null;
  readonly message: string | null;
  readonly reference: string | null;
  readonly isDueLater: boolean;
}

async function records(): Promise<RecordRow[]> {
  return await sql<RecordRow[]>`
    SELECT line::float8 AS line, state, step, tries, error_code AS code, error_cause AS cause, error_message AS message, reference,
      next_attempt_at IS NOT NULL AS "isDueLater"
    FROM records ORDER BY line`;
}

const byState = async () => Object.groupBy(await records(), ({ state }) => state);

async function attempts(line: number) {
  return await sql<{ step: string; attempt: number; outcome: string; status: number | null; cause: string | null }[]>`
    SELECT step_name AS step, attempt, outcome, http_status AS status, cause FROM record_attempts WHERE line = ${line}
    ORDER BY started_at`;
}

/** As the sweeper does, for all whose turn it will be. */
async function sweepNow() {
  await sql`UPDATE records SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL`;
  return await sweepRecords(sql, { limit: 1_000, actor: 'test' });
}

async function openRecords(): Promise<number> {
  const [job] = await sql<{ open: number }[]>`SELECT open_records AS open FROM jobs`;
  return job?.open ?? Number.NaN;
}

const heldChunks = () =>
  sql`SELECT *, next_action_at <= now() AS is_due, lease_until > now() AS is_leased FROM record_chunks`;

function only<Row>(rows: readonly Row[]): Row {
  if (rows.length !== 1) throw new Error(`one row was expected, there are ${rows.length}`);
  return rows[0] as Row;
}

describe('records walk', () => {
  test('each through all calls in order, with earlier replies, at few statements; the job is woken once', async () => {
    const { chunks, job } = await bed.seed({ records: 250, window: 1 });
    const runner = bed.startRunner();
    await runner.run(chunks);

    const rows = await records();
    expect(rows.every(({ state, tries }) => state === 'SUCCESS' && tries === 1)).toBe(true);
    expect(rows[6]).toMatchObject({ line: 7, reference: 'verify-7' });
    for (const { line } of rows) expect(partner.callsOf(line)).toEqual(['validate', 'assign', 'verify']);
    expect(partner.calls.find(({ operation, line }) => operation === 'assign' && line === 7)?.body).toEqual({
      line: '7',
      after: 'validate-7',
    });
    expect(await attempts(7)).toMatchObject([
      { step: 'validate', attempt: 1, outcome: 'succeeded', status: 200 },
      { step: 'assign', outcome: 'succeeded' },
      { step: 'verify', outcome: 'succeeded' },
    ]);
    expect(await heldChunks()).toEqual([]);
    expect(await openRecords()).toBe(0);
    expect(runner.sent.jobs).toMatchObject([{ id: job.id, queue: 'partner-steps' }]);
    const metrics = await runner.registry.metrics();
    const statements = [...metrics.matchAll(/longshore_group_commit_rows_count\{[^}]*\} (\d+)/g)];
    expect(statements.reduce((sum, [, count]) => sum + Number(count), 0) / 750).toBeLessThan(0.2);
    expect(metrics).toMatch(/longshore_records_total\{tenant="acme",route="route-0",state="SUCCESS"\} 250/);
    expect(metrics).toMatch(/longshore_record_begun 0/);
  });

  test('with no more calls under way, and records begun, than the partner takes', async () => {
    const { chunks } = await bed.seed({ records: 60, partner: { limits: { concurrency: 4 } } });
    partner.plays(() => partner.hold());
    const runner = bed.startRunner();
    const running = runner.run(chunks);
    await until(() => partner.calls.length === 4);
    await until(async () => (await byState()).RUNNING?.length === 12);
    partner.plays(() => undefined);
    partner.letGo();
    await running;
    expect((await byState()).SUCCESS).toHaveLength(60);
    expect(partner.mostAtOnce).toBe(4);
  });

  test('and one that fails stops alone: later only at the call that failed, until its sweeps are spent', async () => {
    const { chunks } = await bed.seed({ records: 5, retry: { maxSweeps: 2 } });
    partner.plays(({ operation, line }, response) => {
      if (operation === 'assign' && line === 3) response.writeHead(503).end();
    });
    const runner = bed.startRunner();
    await runner.run(chunks);
    expect((await byState()).SUCCESS?.map(({ line }) => line)).toEqual([1, 2, 4, 5]);
    expect((await records())[2]).toMatchObject({
      state: 'FAILED',
      step: 1,
      tries: 1,
      code: 'ASSIGN_ERROR',
      cause: 'HTTP_503',
      isDueLater: true,
    });
    expect(await openRecords()).toBe(1);
    await runner.run(await sweepNow());
    await runner.run(await sweepNow());
    expect(await sweepNow()).toEqual([]);
    expect(partner.callsOf(3)).toEqual(['validate', 'assign', 'assign', 'assign']);
    expect((await records())[2]).toMatchObject({ state: 'FAILED', tries: 3, code: 'ASSIGN_ERROR', isDueLater: false });
    expect(await openRecords()).toBe(0);
    expect(runner.sent.jobs).toHaveLength(1);
  });

  test('to the end when the partner is well again, and not again where its no is final', async () => {
    const { chunks } = await bed.seed({ records: 3 });
    let refusals = 0;
    partner.plays(({ operation, line }, response) => {
      if (operation !== 'validate') return;
      if (line === 1) response.writeHead(409).end('{"code":"V042"}');
      if (line !== 2 || refusals === 2) return;
      refusals += 1;
      response.writeHead(429, { 'retry-after': '7200' }).end();
    });
    const runner = bed.startRunner();
    await runner.run(chunks);
    const [row] = await sql<{ waitS: number }[]>`
      SELECT extract(epoch FROM next_attempt_at - now())::float8 AS "waitS" FROM records WHERE line = 2`;
    expect(Math.round((row?.waitS ?? 0) / 600)).toBe(12);
    for (const _ of [1, 2]) await runner.run(await sweepNow());
    expect(await records()).toMatchObject([
      { state: 'FAILED', tries: 1, code: 'VALIDATE_ERROR', cause: 'BUSINESS_REJECTION', isDueLater: false },
      { state: 'SUCCESS' },
      { state: 'SUCCESS' },
    ]);
    expect((await records())[0]?.message).toContain('V042');
    expect(partner.callsOf(2)).toEqual(['validate', 'validate', 'validate', 'assign', 'verify']);
  });

  test('with one idempotency key per record and step over all tries', async () => {
    const { chunks } = await bed.seed({ records: 2, calls: ['redeem-keyed'] });
    let isDown = true;
    partner.plays((_call, response) => {
      if (isDown) response.destroy();
    });
    const runner = bed.startRunner();
    await runner.run(chunks);
    isDown = false;
    await runner.run(await sweepNow());
    const keys = (line: number) =>
      new Set(partner.calls.filter((call) => call.line === line).map(({ headers }) => headers['idempotency-key']));
    expect(partner.calls).toHaveLength(4);
    expect([keys(1).size, keys(2).size, new Set([...keys(1), ...keys(2)]).size]).toEqual([1, 1, 2]);
    expect((await byState()).SUCCESS).toHaveLength(2);
  });
});

describe('a wait', () => {
  test('of an open breaker gives the chunk back with its delay, and counts no try', async () => {
    const { chunks } = await bed.seed({
      records: 20,
      partner: { limits: { concurrency: 1 }, breaker: { failures: 3, openFor: '40s' } },
    });
    partner.plays((_call, response) => response.writeHead(500).end());
    const runner = bed.startRunner();
    const [first] = chunks;
    expect(await runner.handle(first?.id ?? '', neverStops)).toEqual(acknowledge);
    expect(partner.calls).toHaveLength(3);
    const { FAILED, PENDING } = await byState();
    expect([FAILED?.length, PENDING?.length]).toEqual([3, 17]);
    expect(PENDING?.every(({ tries }) => tries === 0)).toBe(true);
    const [chunk] = await sql<{ waitS: number }[]>`
      SELECT extract(epoch FROM next_action_at - now())::float8 AS "waitS" FROM record_chunks WHERE lease_until IS NULL`;
    expect(chunk?.waitS).toBeGreaterThan(30);
    // Not due: nothing to do, and no record is begun once the breaker is known to be open.
    expect(await runner.handle(first?.id ?? '', neverStops)).toEqual(acknowledge);
    await sql`UPDATE record_chunks SET next_action_at = now()`;
    await runner.handle(first?.id ?? '', neverStops);
    expect(partner.calls).toHaveLength(3);
    expect(await runner.registry.metrics()).toMatch(/breaker_open\{tenant="acme",partner="globex"\} 1/);
  });

  test('of a paused partner costs no try, is what the job says it waits for, and ends with the pause', async () => {
    const { chunks } = await bed.seed({ records: 150, calls: ['validate', 'assign'] });
    const job = async () =>
      only(
        await sql<
          { reason: string | null; open: number }[]
        >`SELECT wait_reason AS reason, open_records AS open FROM jobs`,
      );
    const say = (verb: 'pause' | 'resume') =>
      controlPartner(sql, { tenantId: 'acme', name: 'globex', verb, reason: 'a test', actor: 'operator:ada' });
    const runner = bed.startRunner();
    await say('pause');
    await runner.run(chunks);
    expect(partner.calls).toEqual([]);
    expect((await records()).every(({ state, tries }) => state === 'PENDING' && tries === 0)).toBe(true);
    expect(await job()).toEqual({ reason: 'PARTNER_PAUSED', open: 150 });
    const paused = await sql`SELECT detail FROM audit_events WHERE type = 'records.paused'`;
    expect(paused).toEqual([{ detail: { partner: 'globex' } }]);

    await say('resume');
    expect((await job()).reason).toBe('RECORDS');
    expect((await heldChunks()).every(({ is_due: isDue }) => isDue !== false)).toBe(true);
    runner.forget();
    // One is called as a trial; while it is under way the others wait.
    partner.plays(() => (partner.calls.length === 1 ? partner.hold() : undefined));
    const running = runner.run(chunks);
    await until(() => partner.calls.length === 1);
    partner.letGo();
    await running;
    expect((await records()).every(({ state, tries }) => state === 'SUCCESS' && tries === 1)).toBe(true);
  });

  test('of a partner that is paused in the middle keeps what was done, and begins nothing more', async () => {
    const { chunks } = await bed.seed({ records: 40, partner: { limits: { concurrency: 2 } }, calls: ['redeem'] });
    const runner = bed.startRunner();
    let isSaid = false;
    partner.plays(async (call) => {
      if (call.line !== 1 || isSaid) return;
      isSaid = true;
      await controlPartner(sql, {
        tenantId: 'acme',
        name: 'globex',
        verb: 'pause',
        reason: 'x',
        actor: 'operator:ada',
      });
      runner.forget();
    });
    await runner.run(chunks);
    const { SUCCESS = [], PENDING = [] } = await byState();
    expect(SUCCESS.length + PENDING.length).toBe(40);
    expect(PENDING.length).toBeGreaterThan(20);
    expect(partner.calls).toHaveLength(SUCCESS.length);
    expect(PENDING.every(({ tries }) => tries === 0)).toBe(true);
  });

  test('of a paused partner leaves the other partner of the route alone', async () => {
    const { chunks } = await bed.seed({ records: 10, calls: ['validate', 'assign'] });
    await bed.applyPartner({ name: 'other' });
    await sql`UPDATE route_versions SET definition = jsonb_set(definition, '{steps,2,call,partner}', '"other"')`;
    await controlPartner(sql, { tenantId: 'acme', name: 'other', verb: 'pause', reason: 'x', actor: 'operator:ada' });
    const runner = bed.startRunner();
    await runner.run(chunks);
    expect(partner.calls.map(({ operation }) => operation)).toEqual(Array(10).fill('validate'));
    expect((await records()).every(({ state, step, tries }) => state === 'PENDING' && step === 1 && tries === 0)).toBe(
      true,
    );
  });

  test('of a rate gives it back until the next slice', async () => {
    const { chunks } = await bed.seed({ records: 10, partner: { limits: { ratePerSecond: 4 } }, calls: ['validate'] });
    const runner = bed.startRunner();
    await runner.run(chunks);
    const { SUCCESS, PENDING } = await byState();
    expect([SUCCESS?.length, PENDING?.length]).toEqual([3, 7]);
    expect(await heldChunks()).toMatchObject([{ is_leased: null }]);
  });

  test('of a partner that has its share of the slots leaves the others to others', async () => {
    const { chunks } = await bed.seed({ records: 300 });
    expect(chunks).toHaveLength(3);
    partner.plays(() => partner.hold());
    const runner = bed.startRunner({ slots: 8 });
    const running = chunks.slice(0, 2).map(({ id }) => runner.handle(id, neverStops));
    await until(() => partner.calls.length === 20);
    expect(await runner.handle(chunks[2]?.id ?? '', neverStops)).toEqual(acknowledge);
    const given = (await heldChunks()).filter(({ next_action_at: due }) => due !== null);
    expect(given).toMatchObject([{ id: chunks[2]?.id }]);
    partner.plays(() => undefined);
    partner.letGo();
    await Promise.all(running);
    expect((await byState()).SUCCESS).toHaveLength(200);
  });
});

describe('a call that must not be repeated', () => {
  test('is sent once, and is ambiguous when its reply is lost', async () => {
    const { chunks } = await bed.seed({ records: 2, calls: ['redeem'] });
    const intents: unknown[] = [];
    partner.plays(async ({ line }, response) => {
      intents.push(only(await sql`SELECT state, has_intent AS "hasIntent" FROM records WHERE line = ${line}`));
      if (line === 1) response.destroy();
    });
    const runner = bed.startRunner();
    await runner.run(chunks);
    expect(intents).toEqual([
      { state: 'RUNNING', hasIntent: true },
      { state: 'RUNNING', hasIntent: true },
    ]);
    expect(await records()).toMatchObject([
      { state: 'AMBIGUOUS', code: 'REDEEM_ERROR', cause: 'PARTNER_CONNECTION_LOST', isDueLater: false },
      { state: 'SUCCESS' },
    ]);
    expect(await sweepNow()).toEqual([]);
    expect(partner.calls).toHaveLength(2);
    expect(await openRecords()).toBe(0);
  });

  test('is not made again by who takes over with its intent stored; the former holder stores nothing', async () => {
    const { chunks } = await bed.seed({ records: 1, calls: ['validate', 'redeem'] });
    partner.plays(({ operation }) => (operation === 'redeem' ? partner.hold() : undefined));
    const former = bed.startRunner();
    const [chunk] = chunks;
    const lost = former.handle(chunk?.id ?? '', neverStops);
    await until(() => partner.callsOf(1).includes('redeem'));
    await sql`UPDATE record_chunks SET lease_until = now() - interval '1 second'`;
    const next = bed.startRunner();
    expect(await next.handle(chunk?.id ?? '', neverStops)).toEqual(acknowledge);
    const expected = { state: 'AMBIGUOUS', code: 'REDEEM_ERROR', cause: 'EFFECT_UNKNOWN', step: 1 };
    expect(await records()).toMatchObject([expected]);
    partner.letGo();
    expect(await lost).toEqual(leave);
    expect(await records()).toMatchObject([expected]);
    expect(partner.callsOf(1)).toEqual(['validate', 'redeem']);
    expect((await attempts(1)).map(({ step }) => step)).toEqual(['validate']);
    expect(await openRecords()).toBe(0);
  });

  test('is ambiguous when the database does not take its outcome, and that of a check fails', async () => {
    await sql.unsafe(`
      CREATE FUNCTION refuse_reply() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '22003'; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE ON records FOR EACH ROW
        WHEN (NEW.state = 'SUCCESS') EXECUTE FUNCTION refuse_reply()`);
    try {
      for (const [operation, state] of [
        ['redeem', 'AMBIGUOUS'],
        ['validate', 'FAILED'],
      ] as const) {
        const { chunks } = await bed.seed({ records: 1, calls: [operation] });
        await bed.startRunner().run(chunks);
        expect(await records()).toMatchObject([{ state, cause: 'OUTCOME_REFUSED' }]);
        await bed.reset();
      }
    } finally {
      await sql`DROP FUNCTION refuse_reply CASCADE`;
    }
  });

  test('is not begun while it waits for its turn', async () => {
    const { chunks } = await bed.seed({ records: 3, calls: ['redeem'], partner: { limits: { concurrency: 1 } } });
    partner.plays(() => partner.hold());
    const runner = bed.startRunner();
    const running = runner.run(chunks);
    await until(() => partner.calls.length === 1);
    expect((await byState()).PENDING).toHaveLength(2);
    partner.plays(() => undefined);
    partner.letGo();
    await running;
    expect((await byState()).SUCCESS).toHaveLength(3);
  });
});

describe('a first call that cannot be sent', () => {
  const auth = { type: 'static', header: 'x-key', secret: 'key' };
  const secretsThat = (isPassing: boolean): SecretStore => ({
    read: () => Promise.reject(new SecretError('The secret acme/key cannot be read.', { isPassing })),
  });

  test.each(['redeem', 'validate'])(
    'of %s fails its records, with the reason, where a person has to act',
    async (operation) => {
      const { chunks } = await bed.seed({ records: 2, calls: [operation], partner: { auth }, retry: { maxSweeps: 1 } });
      const runner = bed.startRunner({ secrets: secretsThat(false) });
      await runner.run(chunks);
      const failed = { state: 'FAILED', cause: 'SECRET_UNAVAILABLE', message: 'The secret acme/key cannot be read.' };
      expect(await records()).toMatchObject([1, 2].map((line) => ({ line, tries: 1, isDueLater: true, ...failed })));
      await runner.run(await sweepNow());
      expect(await records()).toMatchObject([1, 2].map((line) => ({ line, tries: 2, isDueLater: false, ...failed })));
      expect(await openRecords()).toBe(0);
    },
  );

  test.each(['redeem', 'validate'])(
    'of %s waits, with the reason, where its secret store is away',
    async (operation) => {
      const { chunks } = await bed.seed({ records: 2, calls: [operation], partner: { auth }, retry: { maxSweeps: 1 } });
      for (let turn = 0; turn < 4; turn += 1) {
        const runner = bed.startRunner({ secrets: secretsThat(true) });
        await runner.run(chunks);
        expect(only(await heldChunks())).toMatchObject({ is_due: false, lease_until: null });
        await sql`UPDATE record_chunks SET next_action_at = now()`;
      }
      const rows = await records();
      expect(rows.map(({ state, tries }) => [state, tries])).toEqual([
        ['PENDING', 0],
        ['PENDING', 0],
      ]);
      expect(rows.some(({ cause }) => cause === 'SECRET_UNAVAILABLE')).toBe(true);
      expect(partner.calls).toEqual([]);
    },
  );

  test('for want of a value in its record fails at once', async () => {
    const operations = {
      redeem: { method: 'POST', path: '/redeem', idempotent: false, body: { k: '{{ record.nosuch }}' } },
    };
    const { chunks } = await bed.seed({ records: 1, calls: ['redeem'], partner: { operations } });
    await bed.startRunner().run(chunks);
    expect(await records()).toMatchObject([{ state: 'FAILED', cause: 'PARTNER_REQUEST_INVALID', isDueLater: false }]);
    expect(await openRecords()).toBe(0);
  });
});

test('a number of a reply goes to the next call as the partner wrote it, also after a worker took over', async () => {
  const check = (path: string) => ({ method: 'POST', path, idempotent: true });
  const operations = {
    validate: { ...check('/validate'), body: { line: '{{ record.id }}' }, output: { id: 'id', amount: 'amount' } },
    assign: {
      ...check('/assign/{{ replies.validate.id }}'),
      body: { line: '{{ record.id }}', id: '{{ replies.validate.id }}', amount: '{{ replies.validate.amount }}' },
    },
  };
  const { chunks } = await bed.seed({ records: 1, calls: ['validate', 'assign'], partner: { operations } });
  const paths: string[] = [];
  partner.plays(({ operation, text }, response) => {
    paths.push(`${operation} ${text}`);
    if (operation.startsWith('assign') && paths.length < 3) response.destroy();
    else response.writeHead(200).end('{"id":9007199254740993,"amount":1.10}');
  });
  const runner = bed.startRunner();
  await runner.run(chunks);
  await runner.run(await sweepNow());
  const second = 'assign/9007199254740993 {"id":9007199254740993,"line":"1","amount":1.10}';
  expect(paths.slice(1)).toEqual([second, second]);
  expect(await records()).toMatchObject([{ state: 'SUCCESS' }]);
});

describe('a worker that ends', () => {
  test('leaves calls that may be repeated to who takes over, with the try counted', async () => {
    const { chunks } = await bed.seed({ records: 3, calls: ['validate'] });
    partner.plays(() => partner.hold());
    const former = bed.startRunner();
    const [chunk] = chunks;
    const lost = former.handle(chunk?.id ?? '', neverStops);
    await until(() => partner.calls.length === 3);
    await sql`UPDATE record_chunks SET lease_until = now() - interval '1 second'`;
    partner.plays(() => undefined);
    const next = bed.startRunner();
    await next.run(chunks);
    expect((await byState()).SUCCESS?.map(({ tries }) => tries)).toEqual([2, 2, 2]);
    partner.letGo();
    expect(await lost).toEqual(leave);
    expect(await sql`SELECT attempt FROM record_attempts`).toHaveLength(3);
    expect(await openRecords()).toBe(0);
  });

  test('gives up calls of a lease that could not be renewed, and stores nothing', async () => {
    const { chunks } = await bed.seed({ records: 2, calls: ['validate'] });
    partner.plays(() => partner.hold());
    const runner = bed.startRunner({ leaseMs: 1_000 });
    const handled = runner.handle(chunks[0]?.id ?? '', neverStops);
    await until(() => partner.calls.length === 2);
    await sql`UPDATE record_chunks SET epoch = epoch + 1`;
    expect(await handled).toEqual(leave);
    expect((await byState()).RUNNING).toHaveLength(2);
    expect(await runner.registry.metrics()).toMatch(/longshore_leases_lost_total\{kind="chunk"\} 1/);
  });

  test('in the last try leaves a record that is failed without another call', async () => {
    const { chunks } = await bed.seed({ records: 2, calls: ['validate'], retry: { maxSweeps: 1 } });
    await sql`UPDATE records SET state = 'RUNNING', tries = line`;
    await bed.startRunner().run(chunks);
    expect(await records()).toMatchObject([
      { state: 'SUCCESS', tries: 2 },
      { state: 'FAILED', tries: 2, code: 'VALIDATE_ERROR', cause: 'ATTEMPTS_SPENT', isDueLater: false },
    ]);
    expect(partner.callsOf(2)).toEqual([]);
    expect(await attempts(2)).toEqual([]);
    expect(await openRecords()).toBe(0);
  });

  test('by a stop begins nothing more, stores what calls under way come to, and gives the chunk back', async () => {
    const { chunks } = await bed.seed({ records: 30, partner: { limits: { concurrency: 2 } } });
    partner.plays(() => partner.hold());
    const runner = bed.startRunner();
    const handled = runner.handle(chunks[0]?.id ?? '', neverStops);
    await until(() => partner.calls.length === 2);
    runner.drain();
    expect(await runner.handle(chunks[0]?.id ?? '', neverStops)).toEqual(release());
    partner.plays(() => undefined);
    partner.letGo();
    expect(await handled).toEqual(acknowledge);
    const rows = await records();
    expect(rows.every(({ state, tries }) => state === 'PENDING' && tries === 0)).toBe(true);
    expect(rows.map(({ step }) => step).filter((step) => step === 1)).toHaveLength(2);
    expect(await heldChunks()).toMatchObject([{ is_due: true, is_leased: null }]);
    await bed.startRunner().run(chunks);
    expect((await byState()).SUCCESS).toHaveLength(30);
    expect(partner.calls).toHaveLength(90);
  });

  test('by a stop that waits no longer gives calls up: no try where they repeat, ambiguous where they do not', async () => {
    const { chunks } = await bed.seed({ records: 2, calls: ['validate', 'redeem'] });
    partner.plays(({ operation, line }) => (operation === 'redeem' || line === 1 ? partner.hold() : undefined));
    const runner = bed.startRunner();
    const stop = new AbortController();
    const handled = runner.handle(chunks[0]?.id ?? '', stop.signal);
    await until(() => partner.calls.length === 3);
    runner.drain();
    stop.abort();
    expect(await handled).toEqual(acknowledge);
    expect(await records()).toMatchObject([
      { state: 'PENDING', step: 0, tries: 0 },
      { state: 'AMBIGUOUS', step: 1, cause: 'STEP_ABORTED' },
    ]);
  });
});

describe('a definition', () => {
  test('that is missing fails its records for now; applied, they go on', async () => {
    const { chunks } = await bed.seed({ records: 2, partner: null });
    const runner = bed.startRunner();
    await runner.run(chunks);
    expect(await records()).toMatchObject(
      [1, 2].map((line) => ({
        line,
        state: 'FAILED',
        code: 'VALIDATE_ERROR',
        cause: 'PARTNER_UNKNOWN',
        isDueLater: true,
      })),
    );
    await bed.applyPartner();
    runner.forget();
    await runner.run(await sweepNow());
    expect((await byState()).SUCCESS).toHaveLength(2);
  });

  test('that lost an operation, or cannot be used, does so too', async () => {
    const { chunks } = await bed.seed({ records: 1, calls: ['validate', 'unheard-of'] });
    const runner = bed.startRunner();
    await runner.run(chunks);
    expect(await records()).toMatchObject([{ state: 'FAILED', step: 1, cause: 'PARTNER_UNKNOWN', isDueLater: true }]);
    await bed.applyPartner({ baseUrl: 'ftp://partner.example' });
    runner.forget();
    await runner.run(await sweepNow());
    expect(await records()).toMatchObject([{ state: 'FAILED', step: 1, cause: 'PARTNER_UNKNOWN', isDueLater: true }]);
  });

  test('that is replaced counts from the next look on, and calls under way end as they were', async () => {
    const { chunks } = await bed.seed({ records: 101, calls: ['validate'] });
    const runner = bed.startRunner();
    partner.plays(() => partner.hold());
    expect(chunks).toHaveLength(2);
    const [first, second] = await sql`SELECT id FROM record_chunks ORDER BY cardinality(lines) DESC`;
    const handled = runner.handle(first?.id, neverStops);
    await until(() => partner.calls.length === 20);
    const check = { method: 'POST', path: '/validate-anew', idempotent: true, body: { line: '{{ record.id }}' } };
    await bed.applyPartner({ operations: { validate: check } });
    runner.forget();
    partner.plays(() => undefined);
    await runner.handle(second?.id, neverStops);
    partner.letGo();
    await handled;
    expect((await byState()).SUCCESS).toHaveLength(101);
    expect(partner.callsOf(101)).toEqual(['validate-anew']);
    expect(partner.calls.filter(({ operation }) => operation === 'validate').length).toBeGreaterThanOrEqual(20);
  });

  test('of a route that cannot be read fails its records under the code of all calls', async () => {
    const { chunks } = await bed.seed({ records: 1 });
    await sql`UPDATE route_versions SET definition = '{}'`;
    await bed.startRunner().run(chunks);
    expect(await records()).toMatchObject([
      { state: 'FAILED', code: 'RECORDS_ERROR', cause: 'ROUTE_INVALID', isDueLater: true },
    ]);
  });
});

test('a chunk that is gone, and one that somebody holds, are nothing to do', async () => {
  const { chunks } = await bed.seed({ records: 1, calls: ['validate'] });
  partner.plays(() => partner.hold());
  const runner = bed.startRunner();
  const [chunk] = chunks;
  const ends = [runner.handle(chunk?.id ?? '', neverStops), runner.handle(chunk?.id ?? '', neverStops)];
  await until(() => partner.calls.length === 1);
  expect(await Promise.race([ends[1], delay(5_000)])).toEqual(acknowledge);
  partner.letGo();
  await Promise.all(ends);
  expect(await runner.handle(chunk?.id ?? '', neverStops)).toEqual(acknowledge);
  expect(partner.calls).toHaveLength(1);
});
