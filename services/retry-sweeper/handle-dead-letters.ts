/**
 * Explains dead letters, stores them, and settles them by policy.
 *
 * 1. A letter leaves its DLQ only after it is stored; stored twice it is one row.
 * 2. Rows are the truth: a dead wake-up of an open row is `REDRIVEN`, as the clocks wake the row again. A landing event is handled here and
 *    now, by the ingestor's own rules. Everything else is `PARKED` for an operator.
 * 3. A job is failed only when nobody holds it and its attempts are spent.
 */
import { randomUUIDv7 } from 'node:crypto';
import { type ArrivalReport, toArrivalReport } from '#shared/arrival/arrival-report.ts';
import type { ArrivalResult, TakeArrivals } from '#shared/arrival/take-arrivals.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import {
  type DeadLetter,
  type FileCondition,
  fileConditions,
  type JobCondition,
  jobConditions,
  storeDeadLetters,
} from '#shared/dead-letters/dead-letters.ts';
import { failSpentJobs } from '#shared/jobs/end-jobs.ts';
import { isSftpEvent, type LandingEvent } from '#shared/messages/landing-events.ts';
import { QUEUE_MESSAGES } from '#shared/messages/queue-messages.ts';
import type { fileArchiveDue, fileSettled, jobDue, pullDue, recordsDue, sourceDue } from '#shared/messages/wake-ups.ts';
import {
  type DecodeResult,
  decodeMessage,
  type MessageDefinition,
  type MessageOf,
  type Received,
} from '#shared/queue/define-message.ts';
import { acknowledge, type Disposition, release } from '#shared/queue/disposition.ts';
import { MAX_RECEIVE_COUNT, type QueueId } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { recordSftpActions } from '#shared/sftp/record-sftp-actions.ts';
import type { RetrySweeperMetrics } from './metrics.ts';

export interface HandleDeadLettersOptions {
  readonly sql: Sql;
  /** The queue that gave the letters up. */
  readonly queue: QueueId;
  readonly takeArrivals: TakeArrivals;
  readonly metrics: Pick<RetrySweeperMetrics, 'deadLetters'>;
  readonly logger: Logger;
}

type WakeUp = MessageOf<
  typeof fileSettled | typeof jobDue | typeof fileArchiveDue | typeof recordsDue | typeof pullDue | typeof sourceDue
>;
type Verdict = Pick<DeadLetter, 'state' | 'reason' | 'tenantId' | 'fileId' | 'jobId'>;
/** `later`: cannot be settled now; the letter stays in its DLQ. */
type Settled = { readonly letter: DeadLetter } | { readonly later: string };

const ACTOR = 'retry-sweeper';
const LATER_MS = 30_000;
const GIVEN_UP = `not handled in ${MAX_RECEIVE_COUNT} receives`;
const RECORDED: Verdict = { state: 'REDRIVEN', reason: `${GIVEN_UP}; the action of the SFTP session was recorded` };

export function createHandleDeadLetters(options: HandleDeadLettersOptions) {
  const { sql, queue, metrics, logger } = options;
  return async (received: readonly Received<string>[], signal: AbortSignal): Promise<Disposition[]> => {
    const judge = await createJudge(received, options, signal);
    const settled = received.map((one): Settled => {
      const verdict = judge(one);
      return 'later' in verdict ? verdict : { letter: toLetter(queue, one, verdict) };
    });
    const letters = settled.flatMap((one) => ('letter' in one ? [one.letter] : []));
    if (letters.length > 0) await storeDeadLetters(sql, letters, ACTOR);
    return settled.map((one, index) => {
      const messageId = received[index]?.messageId;
      if ('later' in one) {
        logger.warn({ queue, messageId, reason: one.later }, 'dead letter cannot be settled yet');
        return release(LATER_MS);
      }
      const { state, reason, tenantId, fileId, jobId } = one.letter;
      metrics.deadLetters.inc({ queue, state });
      logger.warn({ queue, messageId, state, reason, tenant: tenantId, fileId, jobId }, 'dead letter handled');
      return acknowledge;
    });
  };
}

/** Asks everything that the verdicts on these letters need, set by set, and returns the judge. */
async function createJudge(
  received: readonly Received<string>[],
  options: HandleDeadLettersOptions,
  signal: AbortSignal,
): Promise<(one: Received<string>) => Verdict | { later: string }> {
  const definitions: readonly MessageDefinition<LandingEvent | WakeUp>[] = QUEUE_MESSAGES[options.queue];
  const decoded = new Map(received.map((one) => [one, decodeMessage(definitions, one.body)]));
  const messages = [...decoded.values()].flatMap((result) => (result.ok ? [result.message] : []));
  const [arrivals, jobs, files] = await Promise.all([
    judgeEvents(messages, options, signal),
    judgeJobs(messages, options.sql),
    fileConditions(
      options.sql,
      messages.flatMap((message) => ('fileId' in message ? [message.fileId] : [])),
    ),
  ]);
  return (one) => {
    const result = decoded.get(one) as DecodeResult<LandingEvent | WakeUp>;
    if (!result.ok) return { state: 'PARKED', reason: `${GIVEN_UP}: ${result.code}, ${result.reason}` };
    const { message } = result;
    if ('jobId' in message) return jobVerdict(message, jobs);
    if ('chunkId' in message) return clockVerdict(message.tenantId, 'the chunk again as long as it has records left');
    if ('pullId' in message) return clockVerdict(message.tenantId, 'the pull again as long as it is open');
    if (message.type === 'source.due') return clockVerdict(message.tenantId, 'the source again when it is due');
    if ('fileId' in message) return fileVerdict(message.fileId, files.get(message.fileId));
    return arrivals.get(message) ?? { state: 'PARKED', reason: `${GIVEN_UP}: no event of an arrival` };
  };
}

async function judgeEvents(
  messages: readonly (LandingEvent | WakeUp)[],
  { sql, takeArrivals, logger }: HandleDeadLettersOptions,
  signal: AbortSignal,
): Promise<Map<LandingEvent | WakeUp, Verdict | { later: string }>> {
  const actions = messages.filter(isSftpEvent);
  if (actions.length > 0) await recordSftpActions(sql, actions, { actor: ACTOR, logger });
  const recorded = actions.map((action) => [action, RECORDED] as const);
  const reports: [LandingEvent, ArrivalReport][] = [];
  for (const message of messages) {
    if ('fileId' in message || 'jobId' in message || 'chunkId' in message || 'wake' in message) continue;
    const report = toArrivalReport(message);
    if (report !== undefined) reports.push([message, report]);
  }
  if (reports.length === 0) return new Map(recorded);
  const results = await takeArrivals(
    reports.map(([, report]) => report),
    signal,
  );
  const taken = reports.map(([message], index) => [message, eventVerdict(results[index] as ArrivalResult)] as const);
  return new Map([...recorded, ...taken]);
}

/** Needs no look at the row: each try is counted there, so one that kills its worker ends on its own. */
function clockVerdict(tenantId: string, what: string): Verdict {
  return { state: 'REDRIVEN', reason: `${GIVEN_UP}; the clocks wake ${what}`, tenantId };
}

function eventVerdict(result: ArrivalResult): Verdict | { later: string } {
  if (result.type === 'later') return { later: result.reason };
  if (result.type === 'refused') return { state: 'PARKED', reason: `${GIVEN_UP}: ${result.reason}` };
  const { outcome, tenantId, fileId } = result;
  return {
    state: 'REDRIVEN',
    reason: `${GIVEN_UP}; handled again, now with the outcome ${outcome}`,
    ...(tenantId !== undefined && { tenantId }),
    ...(fileId !== undefined && { fileId }),
  };
}

async function judgeJobs(
  messages: readonly (LandingEvent | WakeUp)[],
  sql: Sql,
): Promise<Map<string, JobCondition | 'failed now'>> {
  const ids = messages.flatMap((message) => ('jobId' in message ? [message.jobId] : []));
  if (ids.length === 0) return new Map();
  const conditions: Map<string, JobCondition | 'failed now'> = await jobConditions(sql, ids);
  const spent = [...conditions].flatMap(([id, condition]) => (condition === 'spent' ? [id] : []));
  if (spent.length === 0) return conditions;
  const { jobIds } = await failSpentJobs(sql, { jobIds: spent, actor: ACTOR });
  for (const id of jobIds) conditions.set(id, 'failed now');
  return conditions;
}

function jobVerdict(
  { jobId, tenantId }: { jobId: string; tenantId: string },
  conditions: ReadonlyMap<string, JobCondition | 'failed now'>,
): Verdict {
  const names = { jobId, tenantId };
  switch (conditions.get(jobId)) {
    case 'open':
    case 'spent':
      return { ...names, state: 'REDRIVEN', reason: `${GIVEN_UP}; its job is open and is woken again` };
    case 'leased':
      return { ...names, state: 'REDRIVEN', reason: `${GIVEN_UP}; its job is being run` };
    case 'failed now':
      return { ...names, state: 'PARKED', reason: `${GIVEN_UP}; its job had no attempt left and was failed` };
    case 'terminal':
      return { ...names, state: 'PARKED', reason: `${GIVEN_UP}; its job has ended, nothing is to be done` };
    default:
      return { ...names, state: 'PARKED', reason: `${GIVEN_UP}; there is no such job` };
  }
}

function fileVerdict(fileId: string, file: FileCondition | undefined): Verdict {
  if (file === undefined) return { fileId, state: 'PARKED', reason: `${GIVEN_UP}; there is no such file` };
  const names = { fileId, tenantId: file.tenantId };
  return file.condition === 'open'
    ? { ...names, state: 'REDRIVEN', reason: `${GIVEN_UP}; its file is open and is woken again` }
    : { ...names, state: 'PARKED', reason: `${GIVEN_UP}; its file has ended, nothing is to be done` };
}

function toLetter(queue: QueueId, received: Received<string>, verdict: Verdict): DeadLetter {
  const { messageId, body, receiveCount, sentAt, groupId, deduplicationId, attributes } = received;
  return {
    id: randomUUIDv7(),
    queue,
    messageId,
    body,
    attributes: {
      ...attributes,
      sentAt: sentAt.toISOString(),
      ...(groupId !== undefined && { groupId }),
      ...(deduplicationId !== undefined && { deduplicationId }),
    },
    // Servers differ in whether the count continues in the DLQ.
    receiveCount: Math.max(receiveCount, MAX_RECEIVE_COUNT),
    ...verdict,
  };
}
