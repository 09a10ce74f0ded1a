/** One campaign on a fleet whose mail service misbehaves as asked, and what has to hold of it afterwards, whatever died meanwhile. */
import { expect } from 'vitest';
import type { TestFleet } from './start-test-fleet.ts';

export interface CampaignBed {
  readonly id: string;
  ask(path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>>;
  status(): Promise<CampaignReport>;
  /** As the mail service took them. */
  mails(): Promise<TakenMail[]>;
  /** Of the mail service, from now on. */
  behave(behaviour: object): Promise<void>;
  /** All mails are sent, nobody has two, none is lost, counters equal rows, every row is accounted for. */
  expectEachOnce(timeoutMs: number): Promise<TakenMail[]>;
}

export interface TakenMail {
  readonly to: string;
  /** ISO 8601. */
  readonly at: string;
}

export interface CampaignReport {
  readonly status: string;
  readonly recipients: Readonly<Record<'rows' | 'rejected' | 'duplicates' | 'suppressed', number>>;
  readonly messages: Readonly<Record<'sent' | 'failed' | 'ambiguous' | 'pending', number>>;
}

export interface StartCampaign {
  readonly tenant: string;
  readonly recipients: number;
}

const SERVICE_MS = 60_000;

export const recipient = (n: number) => `r${n}@example.com`;

const SENDER = 'bills';
const TOPIC = 'billing';

/** The sender of the campaign, to be applied before it is started. */
export const senderDocument = (tenant: string, ratePerSecond: number) => `
kind: sender
tenant: ${tenant}
name: ${SENDER}
from: Globex Bank <bills@mail.globex.example>
transport: ses
limits: { ratePerSecond: ${ratePerSecond}, concurrency: 10 }
topics:
  - { name: ${TOPIC}, class: transactional }
`;

/** Two rows more than recipients: a duplicate and an invalid one. */
export async function startCampaign(fleet: TestFleet, options: StartCampaign): Promise<CampaignBed> {
  const { tenant, recipients } = options;
  const { ses } = fleet.stack.endpoints;

  async function ask(path: string, body?: unknown) {
    const method = body === undefined ? 'GET' : 'POST';
    const reply = await fleet.api(path, { tenant, method, ...(body !== undefined && { body }) });
    if (reply.status >= 300) throw new Error(`${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  const reach = <Value>(url: string, request: RequestInit, read: (reply: Response) => Promise<Value>) =>
    fleet.waitUntil('the mail service', () => fetch(url, request).then(read, () => undefined), SERVICE_MS);

  const template = await ask('/api/v1/templates/presigned-url', { name: 'bill', format: 'json', topic: TOPIC });
  await upload(template.upload, JSON.stringify({ subject: 'Bill', html: '<p>{{ n }}</p>' }));
  const file = await ask('/api/v1/files/presigned-url', { file_name: 'bills.csv' });
  const rows = Array.from({ length: recipients }, (_each, n) => `${recipient(n)},${n}`);
  await upload(file.upload, ['email,n', ...rows, `${recipient(0).toUpperCase()},again`, 'nobody,x'].join('\n'));
  await ask('/api/v1/templates/bill');
  const { transaction_id } = await ask('/api/v1/campaigns', {
    template_id: 'bill',
    file_id: file.file_id,
    sender: SENDER,
  });
  const id = String(transaction_id);

  const bed: CampaignBed = {
    id,
    ask,
    status: async () => (await ask(`/api/v1/campaigns/${id}/status`)) as unknown as CampaignReport,
    mails: () => reach(`${ses}/_ledger?campaign=${id}`, {}, async (reply) => (await reply.json()) as TakenMail[]),
    async behave(behaviour) {
      const put = { method: 'PUT', body: JSON.stringify(behaviour) };
      await reach(`${ses}/_behaviour`, put, async ({ ok }) => ok);
    },
    async expectEachOnce(timeoutMs) {
      await fleet.waitUntil('all mails', async () => (await bed.status()).status === 'SENT', timeoutMs);
      const mails = await bed.mails();
      const counted = Map.groupBy(mails, ({ to }) => to);
      expect([...counted].filter(([, each]) => each.length > 1).map(([to]) => to)).toEqual([]);
      // What was reported settles what was in doubt.
      const inDoubt = () => fleet.sql<{ email: string }[]>`
        SELECT r."values" ->> 'email' AS email FROM records r WHERE r.job_id = ${id} AND r.state = 'AMBIGUOUS'`;
      await fleet.waitUntil(
        'the reports of all mails that were taken',
        async () => (await inDoubt()).every(({ email }) => !counted.has(email)),
        timeoutMs,
      );
      const records = await fleet.sql<{ email: string; state: string; cause: string | null }[]>`
        SELECT "values" ->> 'email' AS email, state, error_cause AS cause FROM records
        WHERE job_id = ${id} AND state <> 'REJECTED'`;
      const odd = records.filter(({ email, state, cause }) => {
        if (counted.has(email)) return state !== 'SUCCESS';
        return state !== 'AMBIGUOUS' && !(state === 'FAILED' && cause === 'SUPPRESSED');
      });
      expect(odd).toEqual([]);
      const { recipients: rows, messages } = await fleet.waitUntil(
        'counters that equal the rows',
        async () => {
          const now = await bed.status();
          return now.messages.sent === counted.size && now;
        },
        timeoutMs,
      );
      expect(rows).toMatchObject({ rows: recipients + 2, duplicates: 1, rejected: 1 });
      const { sent, failed, ambiguous, pending } = messages;
      expect(sent + failed + ambiguous + pending + rows.rejected + rows.duplicates + rows.suppressed).toBe(rows.rows);
      return mails;
    },
  };
  return bed;
}

async function upload(url: unknown, body: string): Promise<void> {
  const { url: to, method, headers } = url as { url: string; method: string; headers: Record<string, string> };
  const reply = await fetch(to, { method, headers, body });
  if (!reply.ok) throw new Error(`the upload was answered with ${reply.status}`);
}
