/**
 * The engine of pulls: a wake-up in, the file in landing, its outcome stored.
 *
 * 1. A message is acknowledged once the pull left this worker's hands, or when there is nothing to do. Waiting has no message.
 * 2. A pull whose file has landed never fetches it again: it only cleans up.
 * 3. Wrong credentials, an untrusted server and what a person must correct end a pull that was asked for; one of a source waits where time
 *    may help.
 */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { isLostDatabase, repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { mayPass } from '#shared/files/store-error.ts';
import { acknowledge, type Disposition, leave } from '#shared/queue/disposition.ts';
import type { RemoteConnection } from '#shared/remotes/remote-connection.ts';
import type { RemoteDirectory, UsedRemote } from '#shared/remotes/remote-directory.ts';
import { hasRemoteFault, RemoteError } from '#shared/remotes/remote-error.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import { transferLogOf } from '#shared/transfers/transfer-log-of.ts';
import { LeaseKeeper } from '#shared/worker/lease-keeper.ts';
import { type ClaimedPull, claimPull, renewPulls } from './claim-pulls.ts';
import { cleanPull, fetchPull, UnsettledFile, VanishedFile } from './fetch-pull.ts';
import { type PullPlan, planPull } from './plan-pull.ts';
import type { PullMetrics } from './pull-metrics.ts';
import {
  delayPull,
  endPull,
  MOST_UNSETTLED,
  notePullStage,
  type PullDelay,
  type PullEnd,
  type PullError,
  unsettlePull,
} from './store-pulls.ts';

export interface PullRunnerOptions {
  readonly sql: Sql;
  readonly remotes: RemoteDirectory;
  readonly store: Pick<ObjectStore, 'pull'>;
  readonly landingBucket: string;
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  /** For one claim. */
  readonly deadlineMs: number;
  readonly metrics: PullMetrics;
  readonly logger: Logger;
  readonly now?: () => number;
  readonly random?: () => number;
}

export interface PullRunner {
  start(): void;
  handle(pullId: string, stop: AbortSignal): Promise<Disposition>;
  stop(): void;
}

/** Between two looks whether the jobs of a file have succeeded. */
const CARRIED_MS = 60_000;
const UNSETTLED_MS = 10_000;
/** A definition that is not there may be applied again. */
const DEFINITION_MS = 300_000;
const REPEAT_FOR_MS = 600_000;
/** Of what a server wants: one that says "in a year" does not mean it. */
const LONGEST_WISH_MS = 900_000;

/** How a claim ended: stored when the lease is still held. */
type Move =
  | ({ readonly type: 'end' } & PullEnd)
  | ({ readonly type: 'delay' } & PullDelay)
  | { readonly type: 'unsettled' };

export function createPullRunner(options: PullRunnerOptions): PullRunner {
  const { sql, remotes, store, landingBucket, worker, service, leaseMs, deadlineMs, metrics, logger } = options;
  const { now = () => performance.now(), random = Math.random } = options;
  const keeper = new LeaseKeeper({
    leaseMs,
    renew: async ({ pulls }) => ({
      ...{ jobIds: [], fileIds: [], chunkIds: [] },
      pullIds: await repeatOnLostDatabase(() => renewPulls(sql, pulls, leaseMs), {
        deadlineMs: leaseMs / 4,
        forMs: 0,
        now,
      }),
    }),
    onLost: () => metrics.leasesLost.inc(),
    logger,
    now,
  });
  const ask = <Answer>(statement: () => Promise<Answer>) =>
    repeatOnLostDatabase(statement, { deadlineMs: leaseMs, forMs: REPEAT_FOR_MS, now, random });

  async function walk(pull: ClaimedPull, plan: PullPlan, signal: AbortSignal): Promise<Move> {
    let current = pull;
    const over = <Result>(work: (connection: RemoteConnection) => Promise<Result>): Promise<UsedRemote<Result>> =>
      remotes.use({ tenantId: pull.tenantId, name: pull.remote }, work, { signal });
    if (!hasLanded(pull)) {
      await notePullStage(sql, pull, 'CONNECTING');
      const log = transferLogOf(sql, {
        ...{ owner: 'pull', id: pull.id, epoch: pull.epoch, tenantId: pull.tenantId, fileId: pull.id },
        ...{ seq: pull.generation, purpose: 'pull', worker },
      });
      const used = await over(async (connection) => {
        await fetchPull(connection, pull, plan, { sql, store, landingBucket, service, log, signal });
        if (plan.isCarriedFirst || !connection.isUsable) return undefined;
        // The identity that was noted is what is looked for.
        await notePullStage(sql, pull, 'CLEANING');
        current = { ...pull, transferStage: 'CLEANING', identity: await identityOf(sql, pull) };
        return await cleanPull(connection, current, plan).catch((error: unknown) =>
          cleaningFailed(current, plan, error),
        );
      });
      if (used.type !== 'used') return notUsed(pull, used);
      if (used.result !== undefined) return typeof used.result === 'string' ? cleaned(used.result) : used.result;
      if (plan.isCarriedFirst) return { type: 'delay', afterMs: 1_000, reason: 'carried', isAttempt: false };
      current = { ...pull, transferStage: 'LANDED', identity: await identityOf(sql, pull) };
    } else if (plan.isCarriedFirst && pull.transferStage === 'LANDED' && pull.landed?.status !== 'COMPLETED') {
      return { type: 'delay', afterMs: CARRIED_MS, reason: 'carried', isAttempt: false };
    }
    await notePullStage(sql, pull, 'CLEANING');
    if (plan.afterwards === 'keep') return cleaned('kept');
    try {
      const used = await over((connection) => cleanPull(connection, current, plan));
      return used.type === 'used' ? cleaned(used.result) : notUsed(current, used);
    } catch (error) {
      return cleaningFailed(current, plan, error);
    }
  }

  /** What failed once the file had landed: tried again by policy, and it costs nothing but the remote's place. */
  function cleaningFailed(pull: ClaimedPull, plan: PullPlan, error: unknown): Move {
    if (!(error instanceof RemoteError) && !(error instanceof SecretError)) throw error;
    const reported: PullError = { code: 'PULL_CLEANUP_ERROR', cause: error.code, message: sentence(error) };
    const attempts = hasLanded(pull) && pull.landed !== null ? pull.attempts : 0;
    if (attempts + 1 >= plan.maxAttempts) return { type: 'end', status: 'ERROR', error: reported };
    return { type: 'delay', afterMs: backoff(plan, attempts + 1), reason: 'retry', error: reported, isAttempt: true };
  }

  function notUsed(pull: ClaimedPull, used: Exclude<UsedRemote<unknown>, { type: 'used' }>): Move {
    if (used.type === 'unknown') {
      const error = { code: codeOf(pull), cause: 'REMOTE_UNKNOWN', message: `${used.message}.` };
      if (pull.source === null) return { type: 'end', status: 'ERROR', error };
      return { type: 'delay', afterMs: DEFINITION_MS, reason: 'remote', error, isAttempt: false };
    }
    if (used.code !== undefined) {
      const seconds = Math.ceil(used.afterMs / 1_000);
      const message = `The remote refused these credentials; they are not tried again for ${seconds} s, unless the secret changes.`;
      const error = { code: codeOf(pull), cause: used.code, message };
      if (pull.source === null) return { type: 'end', status: 'ERROR', error };
      return {
        type: 'delay',
        afterMs: Math.min(used.afterMs, DEFINITION_MS),
        reason: used.reason,
        error,
        isAttempt: false,
      };
    }
    return { type: 'delay', afterMs: used.afterMs, reason: used.reason, isAttempt: false };
  }

  function failed(pull: ClaimedPull, plan: PullPlan, error: unknown): Move {
    if (error instanceof UnsettledFile) {
      if (pull.source !== null || pull.unsettled + 1 < MOST_UNSETTLED) return { type: 'unsettled' };
      return ended(pull, 'PULL_UNSETTLED', 'The file changed each time while it was fetched.');
    }
    if (error instanceof VanishedFile || hasRemoteFault(error, 'path-gone')) {
      const reported = { code: 'PULL_ERROR', cause: 'REMOTE_PATH_GONE', message: 'The file is not at the remote.' };
      return { type: 'end', status: pull.source === null ? 'ERROR' : 'SKIPPED', error: reported };
    }
    if (!(error instanceof LongshoreError)) throw error;
    const reported: PullError = { code: codeOf(pull), cause: error.code, message: sentence(error) };
    const retry = (isAttempt: boolean): Move => ({
      type: 'delay',
      afterMs: Math.max(backoff(plan, Math.max(1, pull.attempts)), wishOf(error)),
      reason: 'retry',
      error: reported,
      isAttempt,
    });
    if (hasRemoteFault(error, 'busy') || (error instanceof SecretError && error.isPassing)) return retry(false);
    // A person corrects it; a source continues on its own then.
    if (pull.source !== null && hasRemoteFault(error, 'auth-failed', 'untrusted', 'address-refused'))
      return { type: 'delay', afterMs: DEFINITION_MS, reason: 'remote', error: reported, isAttempt: false };
    const isRetried =
      (error instanceof RemoteError && error.mayPass) ||
      mayPass(error) ||
      ['PULL_SIZE_MISMATCH', 'CHECKSUM_MISMATCH', 'CHECKSUM_SIDECAR_MISSING'].includes(error.code);
    if (isRetried && pull.attempts < plan.maxAttempts) return retry(true);
    return { type: 'end', status: 'ERROR', error: reported };
  }

  /** How long the server wants to be left alone. */
  function wishOf(error: unknown): number {
    return error instanceof RemoteError ? Math.min(error.retryAfterMs, LONGEST_WISH_MS) : 0;
  }

  function backoff({ firstDelayMs, maxDelayMs }: PullPlan, attempts: number): number {
    return Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(attempts - 1, 20)) * (0.5 + random() / 2);
  }

  async function run(pull: ClaimedPull, signal: AbortSignal): Promise<Move> {
    const planned = planPull(pull);
    if (planned.ok === false) return { type: 'end', status: 'ERROR', error: planned.error };
    if (planned.ok === 'later')
      return { type: 'delay', afterMs: DEFINITION_MS, reason: planned.reason, isAttempt: false };
    if (pull.attempts > planned.plan.maxAttempts)
      return ended(pull, 'ATTEMPTS_SPENT', 'Its workers ended without an outcome, and no attempt is left.');
    try {
      return await walk(pull, planned.plan, signal);
    } catch (error) {
      if (isLostDatabase(error) || isLostLease(error)) throw error;
      if (signal.aborted) throw error;
      return failed(pull, planned.plan, error);
    }
  }

  async function storeMove(pull: ClaimedPull, move: Move): Promise<void> {
    if (move.type === 'end') await ask(() => endPull(sql, pull, move, service));
    else if (move.type === 'delay') await ask(() => delayPull(sql, pull, move, service));
    else await ask(() => unsettlePull(sql, pull, UNSETTLED_MS, service));
  }

  return {
    start: () => keeper.start(),
    stop: () => keeper.stop(),
    async handle(pullId, stop) {
      const token = randomUUID();
      let askedAtMs = now();
      const startedMs = askedAtMs;
      const pull = await ask(() => {
        askedAtMs = now();
        return claimPull(sql, { pullId, token, worker, service, leaseMs });
      });
      if (pull === undefined) return acknowledge;
      const lease = keeper.hold('pull', pull, askedAtMs);
      const facts = {
        tenant: pull.tenantId,
        pullId,
        remote: pull.remote,
        source: pull.source,
        generation: pull.generation,
      };
      const signal = AbortSignal.any([lease.signal, stop, AbortSignal.timeout(deadlineMs)]);
      try {
        const move = await run(pull, signal).catch((error: unknown): Move => {
          if (lease.signal.aborted || isLostLease(error) || isLostDatabase(error)) throw error;
          // Stopped, or out of time: the worker that takes it over continues where it is.
          if (signal.aborted) return { type: 'delay', afterMs: 0, reason: 'stopped', isAttempt: false };
          throw error;
        });
        lease.settle();
        await storeMove(pull, move);
        const outcome = outcomeOf(move);
        metrics.pulls.inc({ outcome });
        metrics.pullSeconds.observe({ outcome }, (now() - startedMs) / 1_000);
        const { code, cause } = ('error' in move ? move.error : undefined) ?? {};
        logger.info({ ...facts, outcome, code, cause, durationMs: Math.round(now() - startedMs) }, 'pull handled');
        return acknowledge;
      } catch (error) {
        if (!isLostLease(error) && !lease.signal.aborted) throw error;
        logger.warn({ ...facts, err: error }, 'pull lost to somebody else');
        return leave;
      } finally {
        lease.release();
      }
    },
  };
}

function hasLanded({ transferStage }: ClaimedPull): boolean {
  return transferStage === 'LANDED' || transferStage === 'CLEANING';
}

function codeOf(pull: ClaimedPull): string {
  return hasLanded(pull) ? 'PULL_CLEANUP_ERROR' : 'PULL_ERROR';
}

function ended(pull: ClaimedPull, cause: string, message: string): Move {
  return { type: 'end', status: 'ERROR', error: { code: codeOf(pull), cause, message } };
}

function cleaned(what: 'done' | 'replaced' | 'kept'): Move {
  return { type: 'end', status: 'COMPLETED', isCleaned: what !== 'kept', isReplaced: what === 'replaced' };
}

function outcomeOf(move: Move): string {
  if (move.type === 'end') return move.status.toLowerCase();
  if (move.type === 'unsettled') return 'unsettled';
  return move.error === undefined ? 'waiting' : 'retrying';
}

function isLostLease(error: unknown): boolean {
  return error instanceof LongshoreError && error.code === 'LEASE_LOST';
}

function sentence(error: Error): string {
  const text = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  return text.endsWith('.') ? text : `${text}.`;
}

async function identityOf(sql: Sql, { id }: ClaimedPull): Promise<ClaimedPull['identity']> {
  const [row] = await sql<{ identity: ClaimedPull['identity'] }[]>`SELECT identity FROM pulls WHERE id = ${id}`;
  return row?.identity ?? null;
}
