/** `longshore status`: where one file is, once or until it has ended, and the jobs on it with what was delivered. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { auditSchema, describeAudit } from '#cli/describe-audit.ts';
import { describeWaits, statusWithWaits, waitingJobSchema } from '#cli/describe-waits.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { createProgressView, transferSchema } from '#cli/progress-view.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import type { Times } from '#cli/times.ts';

const statusSchema = z.looseObject({
  file_id: z.string(),
  customer_id: z.string(),
  file_name: z.string(),
  source_bucket: z.string(),
  key: z.string(),
  destination_bucket: z.string().nullable(),
  file_size: z.number(),
  status: z.string(),
  upload_timestamp: z.string(),
  transfer_timestamp: z.string().nullable(),
  processed_by: z.string().nullable(),
  processing_time_ms: z.number().nullable(),
  retry_count: z.number(),
  error_message: z.string().nullable(),
  held: z.boolean().default(false),
  records: z.record(z.string(), z.number()).nullable().default(null),
});
type Status = z.infer<typeof statusSchema>;

const detailSchema = z.looseObject({
  jobs: z.array(
    waitingJobSchema.extend({
      route: z.string(),
      error: z.looseObject({ code: z.string(), cause: z.string().nullable() }).nullable(),
    }),
  ),
  deliveries: z.array(z.looseObject({ job_id: z.string(), bucket: z.string(), key: z.string() })),
  transfers: z.array(transferSchema).default([]),
  audit: auditSchema,
});
type Detail = z.infer<typeof detailSchema>;

const namesakesSchema = z.object({
  files: z.array(z.looseObject({ customer_id: z.string() })),
  next_cursor: z.string().nullable(),
});

const POLL_INTERVAL_MS = 1_000;
/** Enough to say that there are many. */
const MOST_NAMESAKES = 100;

export function addStatus(program: Command, cli: Cli): void {
  addCommand<{ watch?: boolean; audit?: boolean }>(program, cli, {
    usage: 'status <file>',
    description: 'show where a file is: by its id, name or path; of several with that name or path, the newest',
    define: (command) =>
      command
        .option('-w, --watch', 'wait until it is completed or failed, with a bar for each copy in progress')
        .option('--audit', 'also show who did what with it, when and why'),
    run: async (context, { watch, audit }, [file = '']) => {
      const status = await ask(context, file);
      const ended = watch === true ? await untilEnded(context, status) : status;
      await print(context, ended, { withAudit: audit === true });
      if (status.file_id !== file && !context.isJson) await noteNamesakes(context, status);
      if (watch === true && ended.status === 'failed') context.exitWith(EXIT.fileFailed);
    },
  });
}

function ask({ api }: CommandContext, reference: string): Promise<Status> {
  return api.get('/status', statusSchema, { query: { file_id: reference } });
}

function findDetail({ api }: CommandContext, { file_id: id }: Status): Promise<Detail> {
  return api.get(`/api/v1/files/${id}`, detailSchema);
}

async function print(
  context: CommandContext,
  status: Status,
  { withAudit }: { readonly withAudit: boolean },
): Promise<void> {
  const { isJson, terminal } = context;
  const detail = await findDetail(context, status);
  const { jobs, deliveries, transfers, audit } = detail;
  if (isJson) return terminal.json({ ...status, jobs, deliveries, transfers, audit });
  const times = await context.times(status.customer_id);
  const shown = statusWithWaits(status.status, jobs);
  const fields = formatFields({ ...describe(status, times), status: shown });
  const waits = describeWaits(jobs, times);
  const lines = [...fields, ...describeJobs(detail), ...(waits.length === 0 ? [] : ['', ...waits])];
  for (const line of lines) terminal.line(line);
  if (withAudit) for (const line of ['', ...describeAudit(audit, times)]) terminal.line(line);
}

/** By its id: a newer file of the same name is not the one that is watched. */
async function untilEnded(context: CommandContext, first: Status): Promise<Status> {
  const { isJson, terminal } = context;
  const progress = createProgressView(terminal.progress);
  const times = await context.times(first.customer_id);
  let status = first;
  for (let shown = ''; ; status = await ask(context, status.file_id)) {
    if (!isJson) {
      const detail = status.status === 'processing' ? await findDetail(context, status) : undefined;
      const now = [
        `${status.file_name}: ${statusWithWaits(status.status, detail?.jobs ?? [])}`,
        ...(detail === undefined ? [] : describeWaits(detail.jobs, times)),
      ];
      if (now.join() !== shown) {
        progress.clear();
        for (const line of now) terminal.note(line);
      }
      shown = now.join();
      if (detail !== undefined) progress.show(detail.transfers);
    }
    if (status.status === 'completed' || status.status === 'failed') return status;
    await sleep(POLL_INTERVAL_MS);
  }
}

/** Other files of the same name in the caller's sight, which the reference may have meant as well. */
async function noteNamesakes({ api, terminal }: CommandContext, { file_name: name }: Status): Promise<void> {
  if (name.includes('*')) return;
  const query = { name, limit: MOST_NAMESAKES };
  const { files, next_cursor: next } = await api.get('/api/v1/files', namesakesSchema, { query });
  const others = files.length - 1;
  if (others < 1) return;
  const tenants = [...new Set(files.map((file) => file.customer_id))].join(', ');
  terminal.note(
    `This is the newest; ${next === null ? others : `at least ${others}`} other ${others === 1 ? 'file has' : 'files have'} this name` +
      ` (${tenants}): see \`longshore files --name '${name}'\`, and give the id.`,
  );
}

function describe(status: Status, times: Times): Record<string, string | number | null> {
  return {
    file: status.file_id,
    name: status.file_name,
    tenant: status.customer_id,
    status: status.status,
    size: prettyBytes(status.file_size),
    source: `${status.source_bucket}/${status.key}`,
    uploaded: times.show(status.upload_timestamp),
    delivered: times.show(status.transfer_timestamp),
    'processed by': status.processed_by,
    'processing time': describeTime(status.processing_time_ms),
    retries: status.retry_count,
    records: describeCounts(status.records),
    error: status.error_message,
  };
}

function describeTime(ms: number | null): string | null {
  if (ms === null) return null;
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** `1000: 990 success, 10 failed`. */
function describeCounts(records: Status['records']): string | null {
  if (records === null) return null;
  const { total = 0, ...states } = records;
  const counts = Object.entries(states).filter(([, count]) => count > 0);
  return `${total}: ${counts.map(([state, count]) => `${count} ${state}`).join(', ')}`;
}

function describeJobs({ jobs, deliveries }: Detail): string[] {
  if (jobs.length === 0) return [];
  const placeOf = (jobId: string) => deliveries.find((delivery) => delivery.job_id === jobId);
  const rows = jobs.map((job) => {
    const place = placeOf(job.job_id);
    return [
      job.job_id,
      job.route,
      job.state,
      job.step,
      job.step_attempts,
      place && `${place.bucket}/${place.key}`,
      job.error && `${job.error.code} ${job.error.cause ?? ''}`.trim(),
    ];
  });
  return ['', ...formatTable(['JOB', 'ROUTE', 'STATE', 'STEP', 'ATTEMPTS', 'DELIVERED TO', 'ERROR'], rows)];
}
