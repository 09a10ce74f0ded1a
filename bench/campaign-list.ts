/**
 * `npm run bench -- campaign-list`: a long list of recipients. How fast it is read, when its first mail goes, what it costs in memory, what it
 * costs another tenant's files, and how fast the status is read meanwhile.
 *
 * 1. Rows are measured from the campaign's request to the last pending record, while nobody else needs the fleet, against `psql \copy` of the
 *    very same rows into the very same table, right after it. Next to others' files the list is read slowly, by intent.
 * 2. A list of a tenth goes before it: peaks of memory of both show whether memory grows with the list.
 * 3. Small files of another tenant go alone, then for as long as the list is read and its mails are sent. Campaigns are paused after what is measured of them.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Stack } from '#local/stack.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { ask, makeTemplate, measureStatus, startCampaign } from './campaign-requests.ts';
import { eachProcess, round } from './fleet-requests.ts';
import { peakRssMb } from './read-metrics.ts';
import { COPIED_JOB, measureCopy } from './records.ts';
import { type FlowBench, sendFiles } from './send-files.ts';
import { withHome, withStack } from './with-stack.ts';

export interface CampaignListBenchOptions {
  readonly recipients: number;
  /** Small files of another tenant, alone and again meanwhile. */
  readonly files: number;
  readonly perSecond: number;
  readonly json: boolean;
}

const LISTER = 'lister';
const SHORT_PART = 10;
const TIMEOUT_MS = 1_800_000;
const POLL_MS = 200;
const DIRECTORIES = 5;
const WARM_UP_FILES = 50;
const SENDER = `kind: sender
tenant: ${LISTER}
name: bills
from: Bench <bench@mail.example.com>
transport: ses
limits: { ratePerSecond: 10000, concurrency: 8 }
topics: [{ name: billing, class: transactional }]
`;

interface Bench extends FlowBench {
  readonly stack: Stack;
  readonly home: string;
  readonly key: string;
}

export async function runCampaignListBench(options: CampaignListBenchOptions): Promise<void> {
  const env = { all: { LOG_LEVEL: 'warn' }, ses: { LONGSHORE_SES_RATE: '1000000' } };
  const result = await withHome((home) =>
    withStack({ home, env }, async (stack, flow) => {
      const key = (await readFile(stack.endpoints.operatorKeyFile, 'utf8')).trim();
      return await measure({ ...flow, stack, home, key }, options);
    }),
  );
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : describe(result));
}

async function measure(bench: Bench, { recipients, files, perSecond }: CampaignListBenchOptions) {
  const { sql, stack } = bench;
  await applyTenantDocuments(sql, LISTER, SENDER);
  await makeTemplate(bench, LISTER, '');
  await sendFiles(bench, { files: WARM_UP_FILES, directory: 'warm-up', directories: DIRECTORIES });
  const short = await startList(bench, Math.ceil(recipients / SHORT_PART));
  await short.untilRead();
  await short.untilFirstMail();
  await short.rest();
  const before = await eachProcess(stack, peakRssMb);

  const first = await startList(bench, recipients);
  const readMs = await first.untilRead();
  const firstMailMs = await first.untilFirstMail();
  await first.rest();
  const copied = await measureCopy(bench, first.id, recipients);
  await sql`DELETE FROM records WHERE job_id = ${COPIED_JOB}`;

  const alone = await sendFiles(bench, { files, perSecond, directory: 'alone', directories: DIRECTORIES });
  const list = await startList(bench, recipients);
  const sending = sendFiles(bench, { files, perSecond, directory: 'meanwhile', directories: DIRECTORIES });
  const readMeanwhileMs = await list.untilRead();
  await list.untilFirstMail();
  const statusMs = await measureStatus(bench, list.id);
  const meanwhile = await sending;
  const { messages } = await ask(bench, `campaigns/${list.id}/status`, statusSchema);
  await list.rest();
  const rowsPerSecond = Math.round((recipients * 1_000) / readMs);
  return {
    recipients,
    rowsPerSecond,
    copyRowsPerSecond: copied,
    copyRatio: copied === null ? null : round(rowsPerSecond / copied),
    readMs: Math.round(readMs),
    readMeanwhileMs: Math.round(readMeanwhileMs),
    firstMailMs: Math.round(firstMailMs),
    sentMeanwhile: messages.sent,
    statusMs,
    files: {
      aloneP95Ms: Math.round(alone.latencyMs.p95),
      meanwhileP95Ms: Math.round(meanwhile.latencyMs.p95),
      ratio: round(meanwhile.latencyMs.p95 / alone.latencyMs.p95),
    },
    peakRssMb: { short: before, long: await eachProcess(stack, peakRssMb) },
    wanted: { copyRatio: 0.45, statusP99Ms: 20, filesRatio: 2 },
  };
}

async function startList(bench: Bench, recipients: number) {
  const { sql, stack } = bench;
  const id = await startCampaign(bench, { tenant: LISTER, sender: 'bills', recipients });
  const startedMs = performance.now();
  const until = async (what: string, look: () => Promise<boolean>): Promise<number> => {
    while (!(await look())) {
      if (performance.now() - startedMs > TIMEOUT_MS) throw new Error(`${what} took too long`);
      await sleep(POLL_MS);
    }
    return performance.now() - startedMs;
  };
  return {
    id,
    untilRead: () =>
      until('reading the list', async () => {
        const [job] = await sql<{ open: number | null; state: string }[]>`
          SELECT open_records AS open, state FROM jobs WHERE id = ${id}`;
        if (job?.state === 'FAILED') throw new Error('the campaign failed');
        return job !== undefined && job.open !== null;
      }),
    untilFirstMail: () =>
      until('the first mail', async () => {
        const reply = await fetch(`${stack.endpoints.ses}/_ledger?campaign=${id}`);
        return z.array(z.unknown()).parse(await reply.json()).length > 0;
      }),
    /** And until no worker has its recipients: mails that go, or are given up, would share the fleet with the next list. */
    async rest() {
      await ask(bench, `campaigns/${id}/pause`, z.unknown(), {});
      await until('the rest of the campaign', async () => {
        const [chunk] = await sql`SELECT 1 FROM record_chunks WHERE job_id = ${id} AND lease_until IS NOT NULL LIMIT 1`;
        return chunk === undefined;
      });
    },
  };
}

const statusSchema = z.object({ messages: z.object({ sent: z.number() }) });

function describe(result: Awaited<ReturnType<typeof measure>>): string {
  const { files, statusMs, peakRssMb: peaks } = result;
  return [
    `${result.recipients} rows in ${result.readMs} ms: ${result.rowsPerSecond}/s; \\copy ${result.copyRowsPerSecond ?? 'not installed'}; ratio ${result.copyRatio ?? '-'} (${result.wanted.copyRatio})`,
    `first mail after ${result.firstMailMs} ms; next to files read in ${result.readMeanwhileMs} ms, ${result.sentMeanwhile} mails while they were sent`,
    `status: p50 ${statusMs.p50} ms, p99 ${statusMs.p99} ms (${result.wanted.statusP99Ms})`,
    `files of another tenant: p95 ${files.aloneP95Ms} ms alone, ${files.meanwhileP95Ms} ms meanwhile: ratio ${files.ratio} (${result.wanted.filesRatio})`,
    `peak RSS, MB, of a tenth of the list: ${JSON.stringify(peaks.short)}`,
    `peak RSS, MB, of the list: ${JSON.stringify(peaks.long)}`,
    '',
  ].join('\n');
}
