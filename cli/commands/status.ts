/** `longshore status`: where one file is, once or until it has ended, and the jobs on it with what was delivered. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { describeWaits, statusWithWaits, waitingJobSchema } from '#cli/describe-waits.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { createProgressView, transferSchema } from '#cli/progress-view.ts';
import { formatFields, formatTable, progressOutput } from '#cli/terminal.ts';

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
});
type Detail = z.infer<typeof detailSchema>;

const POLL_INTERVAL_MS = 1_000;

export function addStatus(program: Command, config: CliConfig): void {
  addCommand<{ watch?: boolean }>(program, config, {
    usage: 'status <file>',
    description: 'show where a file is: by id, name or path (then the newest)',
    define: (command) =>
      command.option('-w, --watch', 'go on until it is completed or failed, with a bar for each copy that moves'),
    run: async ({ api, isJson, terminal, exitWith }, { watch }, [file = '']) => {
      const ask = (reference: string) => api.get('/status', statusSchema, { query: { file_id: reference } });
      const findDetail = ({ file_id: id }: Status) => api.get(`/api/v1/files/${id}`, detailSchema);
      const print = async (status: Status) => {
        if (isJson) return terminal.json(status);
        const detail = await findDetail(status);
        const shown = statusWithWaits(status.status, detail.jobs);
        const fields = formatFields({ ...describe(status), status: shown });
        for (const line of [...fields, ...describeJobs(detail), ...linesOfWaits(detail)]) terminal.line(line);
      };
      let status = await ask(file);
      if (watch !== true) return await print(status);
      const progress = createProgressView(progressOutput);
      // By its id from here on: a newer file of the same name is not the one that is watched.
      for (let shown = ''; ; status = await ask(status.file_id)) {
        const isTerminal = status.status === 'completed' || status.status === 'failed';
        if (!isJson) {
          const detail = status.status === 'processing' ? await findDetail(status) : undefined;
          const now = [
            `${status.file_name}: ${statusWithWaits(status.status, detail?.jobs ?? [])}`,
            ...(detail === undefined ? [] : describeWaits(detail.jobs)),
          ];
          if (now.join() !== shown) {
            progress.clear();
            for (const line of now) terminal.note(line);
          }
          shown = now.join();
          if (detail !== undefined) progress.show(detail.transfers);
        }
        if (isTerminal) break;
        await sleep(POLL_INTERVAL_MS);
      }
      await print(status);
      if (status.status === 'failed') exitWith(EXIT.fileFailed);
    },
  });
}

function describe(status: Status): Record<string, string | number | null> {
  return {
    file: status.file_id,
    name: status.file_name,
    tenant: status.customer_id,
    status: status.status,
    size: `${status.file_size} bytes`,
    source: `${status.source_bucket}/${status.key}`,
    uploaded: status.upload_timestamp,
    delivered: status.transfer_timestamp,
    'processed by': status.processed_by,
    'processing time': status.processing_time_ms === null ? null : `${status.processing_time_ms} ms`,
    retries: status.retry_count,
    records: describeCounts(status.records),
    error: status.error_message,
  };
}

/** `1000: 990 success, 10 failed`. */
function describeCounts(records: Status['records']): string | null {
  if (records === null) return null;
  const { total = 0, ...states } = records;
  const counts = Object.entries(states).filter(([, count]) => count > 0);
  return `${total}: ${counts.map(([state, count]) => `${count} ${state}`).join(', ')}`;
}

function linesOfWaits({ jobs }: Detail): string[] {
  const waits = describeWaits(jobs);
  return waits.length === 0 ? [] : ['', ...waits];
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
