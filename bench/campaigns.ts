/**
 * `npm run bench -- campaigns`: mails per second of a campaign against a bare SDK loop, how exactly a rate is held, reports folded in, and how
 * fast a status is read.
 *
 * 1. The fleet is the one that `npm start` runs, in its own home that is thrown away; its mail service has no limit.
 * 2. Mails are counted by the mail service's own ledger, from the first to the last. The bare loop sends the same mails to the same service, in
 *    the same run, at the same concurrency, and keeps nothing.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { z } from 'zod';
import { type Stack, startStack } from '#local/stack.ts';
import { storeMailEvents } from '#shared/campaigns/store-mail-events.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { MailEvent } from '#shared/messages/mail-events.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { makeTemplate, measureStatus, startCampaign } from './campaign-requests.ts';
import { connectForBench } from './connect-for-bench.ts';
import { eachProcess, round } from './fleet-requests.ts';
import { peakRssMb } from './read-metrics.ts';

export interface CampaignsBenchOptions {
  readonly recipients: number;
  /** Of a mail's HTML, in bytes. */
  readonly size: number;
  readonly seconds: number;
  /** Partner-workers. */
  readonly workers: number;
  readonly events: number;
  readonly json: boolean;
}

const TENANT = 'bench';
const CONCURRENCY = 32;
const HELD_RATE = 100;
const BATCH = 50;
const TIMEOUT_MS = 900_000;
const POLL_MS = 250;
const REPEATED_SHARE = 0.1;

const SENDERS = [
  ['single', `limits: { ratePerSecond: 10000, concurrency: ${CONCURRENCY} }`],
  ['bulk', `limits: { ratePerSecond: 10000, concurrency: ${CONCURRENCY} }\nbatch: ${BATCH}`],
  ['held', `limits: { ratePerSecond: ${HELD_RATE}, concurrency: ${CONCURRENCY} }`],
]
  .map(
    ([name, limits]) => `kind: sender
tenant: ${TENANT}
name: ${name}
from: Bench <bench@mail.example.com>
transport: ses
${limits}
topics: [{ name: billing, class: transactional }]
`,
  )
  .join('---\n');

interface Bench {
  readonly stack: Stack;
  readonly sql: Sql;
  readonly key: string;
  readonly html: string;
}

export async function runCampaignsBench(options: CampaignsBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  const stack = await startStack({
    home,
    portBase: 'free',
    isDisposable: true,
    tenants: [{ id: TENANT }],
    ...(options.workers > 1 && { scale: { 'partner-worker': options.workers } }),
    env: { all: { LOG_LEVEL: 'warn' }, ses: { LONGSHORE_SES_RATE: '1000000' } },
  });
  const sql = connectForBench(stack.env.DATABASE_URL, 4);
  try {
    await applyTenantDocuments(sql, TENANT, SENDERS);
    const key = (await readFile(stack.endpoints.operatorKeyFile, 'utf8')).trim();
    const bench: Bench = { stack, sql, key, html: `<p>${'x'.repeat(options.size)}</p>` };
    const result = await measure(bench, options);
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : describe(result));
  } finally {
    await sql.end({ timeout: 5 });
    await stack.stop();
    await rm(home, { recursive: true, force: true });
  }
}

async function measure(bench: Bench, { recipients, seconds, events }: CampaignsBenchOptions) {
  await makeTemplate(bench, TENANT, bench.html);
  await send(bench, 'single', 500);
  const bareBefore = await measureBare(bench, recipients);
  const single = await send(bench, 'single', recipients);
  const bareAfter = await measureBare(bench, recipients);
  const bulk = await send(bench, 'bulk', recipients);
  const held = await send(bench, 'held', HELD_RATE * seconds);
  const bare = (bareBefore + bareAfter) / 2;
  return {
    recipients,
    mailsPerSecond: round(single.perSecond),
    bareMailsPerSecond: round(bare),
    ratio: round(single.perSecond / bare),
    bulk: { mailsPerSecond: round(bulk.perSecond), ratio: round(bulk.perSecond / bare) },
    held: { rate: HELD_RATE, percent: round((held.perSecond / HELD_RATE) * 100) },
    events: await measureEvents(bench, single.id, Math.min(events, recipients)),
    statusMs: await measureStatus(bench, single.id),
    peakRssMb: await eachProcess(bench.stack, peakRssMb),
  };
}

interface Sent {
  readonly id: string;
  /** From the first mail to the last. */
  readonly perSecond: number;
}

async function send(bench: Bench, sender: string, recipients: number): Promise<Sent> {
  const id = await startCampaign(bench, { tenant: TENANT, sender, recipients });
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const [job] = await bench.sql<{ state: string }[]>`SELECT state FROM jobs WHERE id = ${id}`;
    if (job?.state === 'SUCCEEDED') break;
    if (job?.state === 'FAILED' || performance.now() > deadline) throw new Error(`the campaign ${id} is ${job?.state}`);
    await sleep(POLL_MS);
  }
  const reply = await fetch(`${bench.stack.endpoints.ses}/_ledger?campaign=${id}`);
  const mails = z.array(z.object({ to: z.string(), at: z.string() })).parse(await reply.json());
  if (new Set(mails.map(({ to }) => to)).size !== recipients || mails.length !== recipients) {
    const states = await bench.sql<{ state: string; cause: string | null; message: string | null; count: number }[]>`
      SELECT state, error_cause AS cause, max(error_message) AS message, count(*)::int AS count FROM records
      WHERE job_id = ${id} GROUP BY 1, 2`;
    throw new Error(`${mails.length} mails were sent to ${recipients} recipients: ${JSON.stringify(states)}`);
  }
  const times = mails.map(({ at }) => Date.parse(at));
  const spanMs = Math.max(...extremes(times));
  return { id, perSecond: ((recipients - 1) * 1_000) / Math.max(1, spanMs) };
}

function extremes(times: readonly number[]): [number] {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const time of times) {
    first = Math.min(first, time);
    last = Math.max(last, time);
  }
  return [last - first];
}

async function measureBare({ stack, html }: Bench, mails: number): Promise<number> {
  const credentials = {
    accessKeyId: stack.env.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: stack.env.AWS_SECRET_ACCESS_KEY ?? '',
  };
  const requestHandler = { httpAgent: { maxSockets: CONCURRENCY } };
  const endpoint = stack.endpoints.ses;
  const client = new SESv2Client({ region: stack.env.AWS_REGION ?? '', endpoint, credentials, requestHandler });
  let next = 0;
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (next < mails) {
        next += 1;
        await client.send(
          new SendEmailCommand({
            FromEmailAddress: 'Bench <bench@mail.example.com>',
            Destination: { ToAddresses: [`bare${next}@example.com`] },
            Content: {
              Simple: { Subject: { Data: `Bill ${next}` }, Body: { Html: { Data: html }, Text: { Data: 'Bill' } } },
            },
          }),
        );
      }
    }),
  );
  client.destroy();
  return (mails * 1_000) / (performance.now() - startedMs);
}

/** Reports of opens, of which each counts, and some come twice. */
async function measureEvents({ sql }: Bench, campaignId: string, count: number) {
  const at = new Date().toISOString();
  const eventOf = (line: number): MailEvent => ({
    type: 'mail event',
    time: at,
    detail: {
      eventType: 'Open',
      open: { timestamp: at },
      mail: {
        messageId: `bench-${line}`,
        destination: [`r${line - 2}@example.com`],
        tags: { ls_campaign: [campaignId], ls_line: [String(line)] },
      },
    },
  });
  const events = Array.from({ length: count }, (_each, index) => eventOf(index + 2));
  const all = [...events, ...events.slice(0, Math.floor(count * REPEATED_SHARE))];
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  for (let from = 0; from < all.length; from += 200) await storeMailEvents(sql, all.slice(from, from + 200));
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: round(all.length / seconds), cpuMsPerThousand: round((user + system) / all.length) };
}

function describe(result: Awaited<ReturnType<typeof measure>>): string {
  const { mailsPerSecond, bareMailsPerSecond, ratio, bulk, held, events, statusMs } = result;
  return [
    `${result.recipients} mails: ${mailsPerSecond}/s, a bare SDK loop ${bareMailsPerSecond}/s: ratio ${ratio}`,
    `${BATCH} in a request: ${bulk.mailsPerSecond}/s: ratio ${bulk.ratio}`,
    `held to ${held.rate}/s: ${held.percent} %`,
    `reports: ${events.perSecond}/s, ${events.cpuMsPerThousand} ms of CPU for a thousand`,
    `status: p50 ${statusMs.p50} ms, p99 ${statusMs.p99} ms`,
    `peak RSS, MB: ${JSON.stringify(result.peakRssMb)}`,
    '',
  ].join('\n');
}
