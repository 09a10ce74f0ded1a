/**
 * A worker dies by `kill -9` at each point of sending a mail: before its intent is stored, after it, in the request, after the reply, and in
 * the commit of what the reply said. Each point has its own campaign, whose mails are counted by the mail service.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sql } from '#shared/db/connect-database.ts';
import { type CampaignBed, senderDocument, startCampaign, type TakenMail } from '#testkit/beds/campaign-bed.ts';
import { type PartnerWorkers, startPartnerWorkers } from '#testkit/beds/start-partner-workers.ts';
import { type StartTestFleetOptions, startTestFleet, type TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { repeatTimes } from '#testkit/checks/repeat-times.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { startTcpProxy, type TcpProxy } from '#testkit/servers/start-tcp-proxy.ts';

const TENANT = 'globex';
const RATE = 300;
const KILLS = repeatTimes(25);
const RECIPIENTS = 300;
/** Requests of the worker side by side: the mails that one kill may leave in doubt. */
const CONCURRENCY = 10;
/** A sweeper dies with every so many workers: its supervisor waits longer each time. */
const KILLS_PER_SWEEPER = repeatTimes(10);

/** Parts of statements that no other one has. */
const INTENT = 'has_intent = i.intent = 1';
const OUTCOME = 'INSERT INTO record_attempts';
const REQUEST = 'POST /v2/email/outbound-emails';
/** The first words of the statement of `OUTCOME`: PostgreSQL shows no more of what it runs. */
const OUTCOME_BEGINS = '"chunkId" uuid, epoch int';
const HIT_MS = 180_000;

interface Between {
  readonly database: TcpProxy;
  readonly mailService: TcpProxy;
  readonly sql: Sql;
}

interface Point {
  readonly name: string;
  /** Resolves while the worker is there, and gets no further before `kill` has ended it. */
  readonly hit: (between: Between, kill: () => Promise<void>) => Promise<void>;
  /** Mails of `kills` that may be lost, in doubt: the service never took them. */
  readonly mayBeInDoubt: boolean;
  /** Mails that were taken while their worker was dying; they are settled by what the service reports. */
  readonly takenByTheDead: boolean;
}

const at = (proxy: 'database' | 'mailService', text: string, moment: 'asked' | 'answered'): Point['hit'] =>
  async function hit(between, kill) {
    await between[proxy].hushAt(text, moment);
    await kill();
    between[proxy].speak();
  };

const POINTS: readonly Point[] = [
  {
    name: 'before the intent is stored',
    hit: at('database', INTENT, 'asked'),
    ...{ mayBeInDoubt: false, takenByTheDead: false },
  },
  {
    name: 'after the intent, before the request',
    hit: at('database', INTENT, 'answered'),
    ...{ mayBeInDoubt: true, takenByTheDead: false },
  },
  {
    name: 'in the request',
    hit: at('mailService', REQUEST, 'answered'),
    ...{ mayBeInDoubt: true, takenByTheDead: true },
  },
  {
    name: 'after the reply, before its outcome is stored',
    hit: at('database', OUTCOME, 'asked'),
    ...{ mayBeInDoubt: true, takenByTheDead: true },
  },
  {
    name: 'in the commit of outcomes',
    hit: inCommit,
    ...{ mayBeInDoubt: true, takenByTheDead: true },
  },
];

/** The statement waits for a lock; once the lock is free, it is up to the database whether it commits for a client that is gone. */
async function inCommit({ sql }: Between, kill: () => Promise<void>): Promise<void> {
  await sql.begin(async (locking) => {
    await locking`LOCK TABLE record_attempts IN EXCLUSIVE MODE`;
    const isWaiting = async () => {
      // Of what others do a transaction sees what it saw first.
      await locking`SELECT pg_stat_clear_snapshot()`;
      const waiting = await locking`
        SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE ${`%${OUTCOME_BEGINS}%`} AND pid <> pg_backend_pid()`;
      return waiting.length > 0;
    };
    await waitUntil('outcomes that wait', isWaiting, { timeoutMs: HIT_MS });
    await kill();
  });
}

/** Without partner-workers: the suite has one of its own. */
const FLEET: StartTestFleetOptions = {
  ...{ tenants: [TENANT], servers: 'embedded' },
  services: ['ingestor', 'router', 'large-file-worker', 'retry-sweeper', 'control-api'],
  routes: senderDocument(TENANT, RATE),
  env: { all: { LONGSHORE_LEASE_MS: '2000', LONGSHORE_SWEEP_GRACE_MS: '1000', LONGSHORE_SWEEP_BOUND_MS: '3000' } },
};

let fleet: TestFleet;
let workers: PartnerWorkers;
let between: Between;

beforeAll(async () => {
  fleet = await startTestFleet(FLEET);
  const { endpoints } = fleet.stack;
  const [database, mailService] = await Promise.all([startTcpProxy(endpoints.postgres), startTcpProxy(endpoints.ses)]);
  between = { database, mailService, sql: fleet.sql };
  workers = await startPartnerWorkers(fleet, 1, {
    DATABASE_URL: database.url,
    // So that each statement is sent with its text.
    DATABASE_PREPARE: 'false',
    AWS_ENDPOINT_URL_SESV2: mailService.url,
    // One chunk of mails waits for the lease of a dead worker, not all of them.
    LONGSHORE_SLOTS: '1',
  });
}, 180_000);
afterAll(async () => {
  await workers?.stop();
  await Promise.all([between?.database.stop(), between?.mailService.stop()]);
  await fleet?.stop();
});

async function killAt(point: Point, campaign: CampaignBed): Promise<void> {
  for (let kill = 1; kill <= KILLS; kill += 1) {
    if (kill % KILLS_PER_SWEEPER === 0) fleet.stack.processes['retry-sweeper']?.kill('SIGKILL');
    const killed = point.hit(between, () => workers.kill(0));
    let isOver = false;
    await Promise.race([
      killed.finally(() => {
        isOver = true;
      }),
      fleet.waitUntil(`kill ${kill} ${point.name}`, () => isOver, HIT_MS),
    ]);
  }
  const { messages } = await campaign.status();
  expect(messages.pending, 'the kills fell into the run').toBeGreaterThan(0);
}

test.each(POINTS)(
  `${KILLS} kills $name: no mail is sent twice and none is lost`,
  async (point) => {
    const campaign = await startCampaign(fleet, { tenant: TENANT, recipients: RECIPIENTS });
    await killAt(point, campaign);
    const mails = await campaign.expectEachOnce(120_000);

    const { ambiguous, sent } = (await campaign.status()).messages;
    expect(sent).toBe(mails.length);
    expect(ambiguous).toBe(RECIPIENTS - mails.length);
    if (point.mayBeInDoubt) expect(ambiguous).toBeLessThanOrEqual(KILLS * CONCURRENCY);
    else expect(ambiguous).toBe(0);
    if (point.takenByTheDead) expect(await countUnanswered(mails, campaign)).toBeGreaterThan(0);
  },
  900_000,
);

/** Mails that were taken, of which no answer was stored. */
async function countUnanswered(mails: readonly TakenMail[], { id }: CampaignBed): Promise<number> {
  const [answered] = await fleet.sql<{ n: number }[]>`
    SELECT count(DISTINCT line)::int AS n FROM record_attempts WHERE job_id = ${id} AND outcome = 'succeeded'`;
  return mails.length - (answered?.n ?? 0);
}
