/**
 * Looks at the jobs that somebody watches, and tells those who do: one question to the database a second, however many they are.
 *
 * 1. It asks only while somebody watches, and never two questions at once.
 * 2. A database that does not answer costs a look, not the watching.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import type { JobState } from '#shared/db/schema.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { findTransfersOf } from '#shared/transfers/find-transfers.ts';
import { type TransferSummary, toTransferSummary } from '../files/transfer-summary.ts';

export interface WatchedJob {
  readonly job_id: string;
  readonly file_id: string;
  readonly state: JobState;
  readonly step: string;
  readonly step_attempts: number;
  readonly generation: number;
  readonly wait_reason: string | null;
  readonly error: { readonly code: string; readonly cause: string | null; readonly message: string | null } | null;
  readonly open_records: number | null;
  readonly transfers: readonly TransferSummary[];
}

type Listener = (job: WatchedJob | 'gone') => void;

export interface JobWatch {
  /** Tells at once, and then every second; returns what ends it. */
  watch(jobId: string, listener: Listener): () => void;
  close(): void;
}

const INTERVAL_MS = 1_000;

export function createJobWatch({ sql, logger }: { readonly sql: Sql; readonly logger: Logger }): JobWatch {
  const listeners = new Map<string, Set<Listener>>();
  let timer: NodeJS.Timeout | undefined;
  let isLooking = false;

  async function look(): Promise<void> {
    timer = undefined;
    isLooking = true;
    const ids = [...listeners.keys()];
    try {
      const jobs = await readJobs(sql, ids);
      for (const id of ids) for (const notify of [...(listeners.get(id) ?? [])]) notify(jobs.get(id) ?? 'gone');
    } catch (err) {
      logger.warn({ err }, 'watched jobs cannot be looked at');
    } finally {
      isLooking = false;
      lookIn(INTERVAL_MS);
    }
  }

  function lookIn(delayMs: number): void {
    if (isLooking || listeners.size === 0) return;
    clearTimeout(timer);
    timer = setTimeout(() => void look(), delayMs);
  }

  return {
    watch(jobId, listener) {
      const own = listeners.get(jobId) ?? new Set();
      listeners.set(jobId, own.add(listener));
      lookIn(0);
      return () => {
        own.delete(listener);
        if (own.size === 0 && listeners.get(jobId) === own) listeners.delete(jobId);
        if (listeners.size === 0) clearTimeout(timer);
      };
    },
    close() {
      listeners.clear();
      clearTimeout(timer);
    },
  };
}

async function readJobs(sql: Sql, ids: readonly string[]): Promise<Map<string, WatchedJob>> {
  const rows = await sql<Omit<WatchedJob, 'transfers'>[]>`
    SELECT id AS job_id, file_id, state, step_kind AS step, step_attempts, generation, wait_reason, open_records,
      CASE WHEN error_code IS NOT NULL
        THEN jsonb_build_object('code', error_code, 'cause', error_cause, 'message', error_message) END AS error
    FROM jobs WHERE id = ANY(${[...ids]}::uuid[])`;
  const owners = new Set(rows.flatMap(({ job_id: jobId, file_id: fileId }) => [jobId, fileId]));
  const transfers = await findTransfersOf(sql, [...owners]);
  return new Map(
    rows.map((job) => {
      const own = transfers.filter(({ ownerId }) => ownerId === job.job_id || ownerId === job.file_id);
      return [job.job_id, { ...job, transfers: own.map(toTransferSummary) }];
    }),
  );
}
