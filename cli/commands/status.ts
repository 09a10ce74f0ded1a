/** `longshore status`: where one file is, once or until it has ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand } from '#cli/command-context.ts';
import type { CliConfig } from '#cli/config.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { formatFields } from '#cli/terminal.ts';

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
});
type Status = z.infer<typeof statusSchema>;

const POLL_INTERVAL_MS = 1_000;

export function addStatus(program: Command, config: CliConfig): void {
  addCommand<{ watch?: boolean }>(program, config, {
    usage: 'status <file>',
    description: 'show where a file is: by id, name or path (then the newest)',
    define: (command) => command.option('-w, --watch', 'go on until it is completed or failed'),
    run: async ({ api, isJson, terminal, exitWith }, { watch }, [file = '']) => {
      const ask = (reference: string) => api.get('/status', statusSchema, { query: { file_id: reference } });
      const print = (status: Status) => {
        if (isJson) terminal.json(status);
        else for (const line of formatFields(describe(status))) terminal.line(line);
      };
      let status = await ask(file);
      if (watch !== true) return print(status);
      // By its id from here on: a newer file of the same name is not the one that is watched.
      for (let shown = ''; ; status = await ask(status.file_id)) {
        const isTerminal = status.status === 'completed' || status.status === 'failed';
        if (!isJson && status.status !== shown) terminal.note(`${status.file_name}: ${status.status}`);
        shown = status.status;
        if (isTerminal) break;
        await sleep(POLL_INTERVAL_MS);
      }
      print(status);
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
    destination: status.destination_bucket,
    uploaded: status.upload_timestamp,
    delivered: status.transfer_timestamp,
    'processed by': status.processed_by,
    'processing time': status.processing_time_ms === null ? null : `${status.processing_time_ms} ms`,
    retries: status.retry_count,
    error: status.error_message,
  };
}
