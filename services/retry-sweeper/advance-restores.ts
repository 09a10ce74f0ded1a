/**
 * Brings originals back from cold tiers: asks the store once, then looks until they can be read. What was to be sent again becomes an
 * action that a second person approves, as every `resend`.
 */
import { runAction } from '#shared/actions/action-transitions.ts';
import { previewAction } from '#shared/actions/preview-action.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { mayPass } from '#shared/files/store-error.ts';
import { claimRestores, type DueRestore, noteRestore, type RestoreNews } from '#shared/retention/restores.ts';
import type { Logger } from '#shared/runtime/logger.ts';

const AT_ONCE = 100;
const ACTOR = 'retry-sweeper';
/** A tenth of the time that has passed: a restore takes minutes to two days. */
const FIRST_LOOK_MS = 1_000;
const LAST_LOOK_MS = 900_000;

export interface AdvanceRestoresOptions {
  readonly sql: Sql;
  readonly store: ObjectStore;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export async function advanceRestores(options: AdvanceRestoresOptions): Promise<'again' | 'done'> {
  const { sql, logger } = options;
  const due = await claimRestores(sql, AT_ONCE);
  for (const restore of due) {
    const news = await advanceRestore(options, restore).catch((error: unknown): RestoreNews => {
      if (!(error instanceof LongshoreError)) throw error;
      logger.warn({ err: error, fileId: restore.fileId }, 'original not restored yet');
      if (mayPass(error)) return { state: restore.state as 'ASKED', againInMs: nextLookMs(restore) };
      return { state: 'FAILED', code: error.code, message: error.message };
    });
    await noteRestore(sql, restore, news, ACTOR);
  }
  return due.length === AT_ONCE ? 'again' : 'done';
}

async function advanceRestore(
  { sql, store, signal }: AdvanceRestoresOptions,
  restore: DueRestore,
): Promise<RestoreNews> {
  const { bucket, key, versionId, days, tier } = restore;
  const address = { bucket, key, ...(versionId !== null && { versionId }) };
  const head = await store.head(address, { signal });
  if (head === 'not-found')
    return {
      state: 'FAILED',
      code: 'SOURCE_GONE',
      message: `The original ${bucket}/${key} is no longer in the archive.`,
    };
  if (head.tier === undefined || head.tier.state === 'readable') {
    const resent = restore.resends ? await resend(sql, restore) : null;
    return { state: 'READY', until: head.tier?.until ?? null, resent };
  }
  if (head.tier.state === 'cold' && restore.state === 'ASKED')
    await store.restore(address, { days, tier, movesBack: head.tier.movesBack }, { signal });
  return { state: 'THAWING', againInMs: nextLookMs(restore) };
}

/** Resolves to the action's id; null where the file has no job that could be sent again. */
async function resend(sql: Sql, { fileId, actor, reason }: DueRestore): Promise<string | null> {
  const jobs = await sql<{ id: string }[]>`
    SELECT id FROM jobs WHERE file_id = ${fileId} AND finished_at IS NOT NULL AND superseded_by IS NULL AND parent_job_id IS NULL`;
  if (jobs.length === 0) return null;
  const id = await previewAction(sql, {
    verb: 'resend',
    filter: { ids: jobs.map((job) => job.id) },
    tenantId: null,
    actor,
  });
  await runAction(sql, { id, tenantId: null, actor, reason, needsApproval: true });
  return id;
}

function nextLookMs({ ageSeconds }: DueRestore): number {
  return Math.min(LAST_LOOK_MS, FIRST_LOOK_MS + ageSeconds * 100);
}
