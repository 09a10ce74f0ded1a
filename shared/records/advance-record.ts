/**
 * Walks one record through its calls, as far as it goes.
 *
 * 1. The outcome of a call is stored before the next call is made. A record's calls are in the order of its route, always.
 * 2. A call that may be repeated is begun (its try counted) before it waits for its turn, so that the commit overlaps with other records'
 *    calls. One that may not is begun with an intent when nothing is waited for any more, right before it is sent.
 * 3. An intent without an outcome is ambiguous, and tries that are spent are spent: both are found before any call.
 * 4. Under a lease that somebody took over nothing is stored. One that ran out in an outage of the database counts no try: what came is stored at
 *    its epoch once the database is back, what was not sent is a wait, and a call that may not be repeated is let end, as nobody else makes it.
 *    A stopping worker begins nothing; a call that it gave up is a wait where it may be repeated.
 * 5. A failure ends this record's walk and no other's. What throws is the database's, and ends the chunk's.
 */
import { hash, randomUUIDv7 } from 'node:crypto';
import { isLostDatabase, repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import type { FoundRoute } from '#shared/definitions/route-cache.ts';
import type { CompiledRoute } from '#shared/definitions/routes/compile-route.ts';
import type { RetryPolicy } from '#shared/definitions/routes/retry-delay.ts';
import { effectSeed } from '#shared/jobs/job-id.ts';
import type { CallOutcome } from '#shared/partners/call-partner.ts';
import { isRepeatable } from '#shared/partners/judge-reply.ts';
import type { OpenPartner, PartnerDirectory } from '#shared/partners/partner-directory.ts';
import type { CompiledCall } from '#shared/steps/call/options.ts';
import { REPEAT_FOR_MS } from '#shared/worker/job-commits.ts';
import { stepErrorCode } from '#shared/worker/try-step.ts';
import type { RecordAt } from './begin-records.ts';
import type { ClaimedChunk, ClaimedRecord } from './claim-chunks.ts';
import { type CallResult, nextRecordMove } from './next-record-move.ts';
import type { RecordCommits } from './record-commits.ts';
import type { RecordMetrics } from './record-metrics.ts';
import type { RecordMove, RecordOutcome } from './store-record-outcomes.ts';
import type { CallTrace, TracedCall } from './trace-calls.ts';

export interface RecordWalkParts {
  readonly commits: Pick<RecordCommits, 'beginRecord' | 'storeOutcome'>;
  readonly partners: Pick<PartnerDirectory, 'find'>;
  readonly metrics: RecordMetrics;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
}

/** The chunk that the record is walked in. */
export interface ChunkWalk {
  readonly chunk: ClaimedChunk;
  readonly found: FoundRoute;
  /** Aborted when the lease is lost. */
  readonly lease: AbortSignal;
  /** Aborted when the worker stops and waits no longer: calls under way are given up. */
  readonly stop: AbortSignal;
  /** As `stop`, and when the lease is lost. */
  readonly signal: AbortSignal;
  readonly calls: CallTrace;
  readonly isStopping: () => boolean;
  readonly mayBegin: () => boolean;
  /** Nothing more is begun in this chunk, which comes again after so long. */
  readonly defer: (afterMs: number) => void;
  /** An operator lets no call of this partner pass. */
  readonly notePaused: (partner: string) => void;
}

/** Where a record stands. `isBegun`: its row says so, under this claim. */
interface Position {
  readonly step: number;
  readonly tries: number;
  readonly isBegun: boolean;
  readonly replies: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** One call that can be made. */
interface Call {
  readonly step: CompiledCall;
  readonly route: CompiledRoute;
  readonly partner: OpenPartner;
  readonly operation: OpenPartner['definition']['operations'][string];
}

/** Why a call cannot be made at present. */
interface Uncallable {
  readonly cause: string;
  readonly message: string;
}

/** Of a route that cannot be read, which says nothing about sweeps. */
const DEFAULT_SWEEPS = 3;
const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 3, firstDelay: 2_000, factor: 2, maxDelay: 900_000, jitter: 'full' };
const LOOK_DEADLINE_MS = 5_000;
/** The rows differ from what the claim said; the worker that claims the chunk next sees why. */
const STALE_MS = 1_000;

export async function advanceRecord(parts: RecordWalkParts, walk: ChunkWalk, record: ClaimedRecord): Promise<void> {
  const walker = new RecordWalker(parts, walk, record);
  if (await walker.endWithoutCall()) return;
  let position: Position | undefined = {
    step: record.step,
    tries: record.tries + 1,
    isBegun: false,
    replies: record.replies ?? {},
  };
  while (position !== undefined) position = await walker.walkAtPartner(position);
}

class RecordWalker {
  readonly #parts: RecordWalkParts;
  readonly #walk: ChunkWalk;
  readonly #record: ClaimedRecord;

  constructor(parts: RecordWalkParts, walk: ChunkWalk, record: ClaimedRecord) {
    this.#parts = parts;
    this.#walk = walk;
    this.#record = record;
  }

  /** True for a record that was left behind in a way that allows no call (3). */
  async endWithoutCall(): Promise<boolean> {
    const { state, step, tries, hasIntent } = this.#record;
    if (state !== 'RUNNING') return false;
    const maxSweeps = this.#route?.maxSweeps ?? DEFAULT_SWEEPS;
    const position = { step, tries, isBegun: true, replies: {} };
    const code = this.#codeOf(step);
    if (hasIntent) {
      const message = 'The worker ended while the call was under way; it may have been done, and is not repeated.';
      await this.#store(position, { type: 'ambiguous' }, { error: { code, cause: 'EFFECT_UNKNOWN', message } });
    } else if (tries > maxSweeps) {
      const message = `No try of ${maxSweeps + 1} is left: the worker died, or lost the record, in the last one.`;
      await this.#store(position, { type: 'failed' }, { error: { code, cause: 'ATTEMPTS_SPENT', message } });
    } else return false;
    return true;
  }

  /** As far as the record goes with one partner; whoever waits for another partner has no place at this one. */
  async walkAtPartner(from: Position): Promise<Position | undefined> {
    const call = await this.#findCall(from);
    if ('cause' in call) return await this.#failUncallable(from, call);
    return await call.partner.begun(async () => {
      this.#parts.metrics.begun.inc();
      try {
        let at: Position | undefined = await this.#takeCall(from, call);
        while (at !== undefined) {
          const next = this.#callAt(at.step, call.partner);
          if (next === undefined) return at;
          at = await this.#takeCall(at, next);
        }
        return undefined;
      } finally {
        this.#parts.metrics.begun.dec();
      }
    });
  }

  /** Undefined: the walk is over. */
  async #takeCall(from: Position, call: Call): Promise<Position | undefined> {
    const walk = this.#walk;
    const parts = this.#parts;
    if (!from.isBegun && !this.#mayBegin(call.partner)) return undefined;
    const { operation, step } = call;
    const hasKey = operation.idempotencyHeader !== 'none';
    const canRepeat = isRepeatable(operation, hasKey);
    let position = from;
    const begin = async (intent: boolean): Promise<boolean> => {
      const isBegun = await parts.commits.beginRecord({ ...this.#at(position), intent });
      if (isBegun) position = { ...position, isBegun };
      else walk.defer(STALE_MS);
      return isBegun;
    };
    if (canRepeat && !position.isBegun && !(await begin(false))) return undefined;

    // Carries its time, by which its row is found.
    const requestId = randomUUIDv7();
    let startedAt = new Date();
    let startedMs = parts.now();
    const outcome = await call.partner.call(
      {
        operation: step.operation,
        values: this.#valuesOf(position, step),
        requestId,
        signal: canRepeat ? walk.signal : walk.stop,
        ...(hasKey && { idempotencyKey: this.#idempotencyKey(step) }),
        ...(!canRepeat && { beforeSend: async () => (await begin(true)) && !walk.lease.aborted }),
      },
      () => {
        startedAt = new Date();
        startedMs = parts.now();
        return !walk.lease.aborted && !walk.isStopping();
      },
    );
    if (outcome.type === 'postponed') {
      if (!this.#isTakenOver && (position.isBegun || (await begin(false))))
        await this.#store(position, { type: 'postponed', delayMs: outcome.afterMs }, {});
      return undefined;
    }
    const durationMs = parts.now() - startedMs;
    this.#count(call, outcome, durationMs);
    if (outcome.type !== 'withdrawn') this.#traceCall(position, call, { outcome, requestId, startedAt, durationMs });
    // What came too late for the lease is the next holder's to find out.
    if (this.#isTakenOver) return undefined;
    if (outcome.type === 'wait') walk.defer(outcome.afterMs);
    if (outcome.type === 'wait' && outcome.reason === 'paused') walk.notePaused(step.partner);
    const isGivenUp = walk.signal.aborted && outcome.type === 'retryable' && outcome.cause === 'STEP_ABORTED';
    const isOver = outcome.type === 'wait' || outcome.type === 'withdrawn' || isGivenUp;
    const why = outcome.type === 'wait' && 'cause' in outcome ? outcome : undefined;
    // An outcome that came before the intent has no row of a begun try to be stored on yet.
    if (!position.isBegun && (!isOver || why !== undefined) && !(await begin(false))) return undefined;
    if (isOver) {
      const error = why && { code: step.code, cause: why.cause, message: why.message };
      if (position.isBegun) await this.#store(position, { type: 'wait' }, error === undefined ? {} : { error });
      return undefined;
    }
    return await this.#storeResult(position, call, { result: outcome, requestId, startedAt, durationMs });
  }

  async #storeResult(
    position: Position,
    { step, route, partner, operation }: Call,
    made: {
      readonly result: CallResult;
      readonly requestId: string;
      readonly startedAt: Date;
      readonly durationMs: number;
    },
  ): Promise<Position | undefined> {
    const { result, requestId, startedAt, durationMs } = made;
    const { move, attempt, ...rest } = nextRecordMove({
      result,
      code: step.code,
      isLastCall: step.seq === route.calls.length - 1,
      tries: position.tries,
      maxSweeps: route.maxSweeps,
      retry: route.retry,
      random: this.#parts.random,
    });
    const { httpStatus } = result;
    const isDone = attempt === 'succeeded' || attempt === 'ambiguous';
    const isInDoubt = isDone && !isRepeatable(operation, operation.idempotencyHeader !== 'none');
    const isStored = await partner.whileStoring(() =>
      this.#store(
        position,
        move,
        {
          ...rest,
          attempt: {
            outcome: attempt,
            requestId,
            startedAt,
            durationMs,
            ...(httpStatus !== undefined && { httpStatus }),
          },
        },
        isInDoubt,
      ),
    );
    if (!isStored || move.type !== 'next-step') return undefined;
    const replies = rest.reply === undefined ? position.replies : { ...position.replies, [step.name]: rest.reply };
    return { step: position.step + 1, tries: 1, isBegun: true, replies };
  }

  /** A record whose call cannot even be tried is begun and fails: its sweeps wait for the definition. */
  async #failUncallable(from: Position, why: Uncallable): Promise<undefined> {
    const { mayBegin, defer } = this.#walk;
    if (!from.isBegun) {
      if (!mayBegin()) return;
      const isBegun = await this.#parts.commits.beginRecord({ ...this.#at(from), intent: false });
      if (!isBegun) defer(STALE_MS);
      if (!isBegun || this.#isTakenOver) return;
    }
    const { move, error } = nextRecordMove({
      result: { type: 'failed', isFinal: false, ...why },
      code: this.#codeOf(from.step),
      isLastCall: false,
      tries: from.tries,
      maxSweeps: this.#route?.maxSweeps ?? DEFAULT_SWEEPS,
      retry: this.#route?.retry ?? DEFAULT_RETRY,
      random: this.#parts.random,
    });
    await this.#store({ ...from, isBegun: true }, move, error === undefined ? {} : { error });
  }

  /** False: nothing more may be done with the record under this claim. */
  async #store(
    position: Position,
    move: RecordMove,
    rest: Pick<RecordOutcome, 'error' | 'reply' | 'reference' | 'attempt'>,
    /** What was done must not be repeated: without its outcome a person is asked. */
    isInDoubt = false,
  ): Promise<boolean> {
    const walk = this.#walk;
    const parts = this.#parts;
    const at = { ...this.#at(position), generation: walk.chunk.generation, stepName: this.#nameOf(position.step) };
    let stored = await parts.commits.storeOutcome({ ...at, move, ...rest });
    let end = move.type;
    if (stored.type === 'refused') {
      // A record never hangs on its own result: a failure that the database takes is in its place.
      const message = 'What the call came to could not be stored: the database does not take it.';
      const error = { code: this.#codeOf(position.step), cause: 'OUTCOME_REFUSED', message };
      const { attempt } = rest;
      end = isInDoubt ? 'ambiguous' : 'failed';
      stored = await parts.commits.storeOutcome({
        ...at,
        move: { type: end },
        error,
        ...(attempt !== undefined && { attempt: { ...attempt, outcome: end } }),
      });
    }
    if (stored.type === 'refused') throw stored.error;
    if (stored.type === 'stale') {
      walk.defer(STALE_MS);
      return false;
    }
    const state = STATE_OF[end];
    if (state !== undefined) {
      parts.metrics.ended.inc({ tenant: walk.chunk.tenantId, route: this.#route?.name ?? 'unknown', state });
    }
    return !this.#isTakenOver;
  }

  get #isTakenOver(): boolean {
    const { lease } = this.#walk;
    return lease.aborted && !isLostDatabase(lease.reason);
  }

  #mayBegin({ closedForMs, isPaused, definition }: OpenPartner): boolean {
    if (!this.#walk.mayBegin()) return false;
    if (closedForMs === 0) return true;
    if (isPaused) this.#walk.notePaused(definition.name);
    this.#walk.defer(closedForMs);
    return false;
  }

  async #findCall({ step }: Position): Promise<Call | Uncallable> {
    const { chunk, found } = this.#walk;
    if (!found.ok) return { cause: found.cause, message: found.message };
    const compiled = found.route.calls[step];
    if (compiled === undefined) {
      return { cause: 'ROUTE_STEP_MISMATCH', message: `The route version has no call ${step + 1}.` };
    }
    // Until then the record's row says that it is begun: an error here would cost it a try.
    const known = await repeatOnLostDatabase(() => this.#parts.partners.find(chunk.tenantId, compiled.partner), {
      deadlineMs: LOOK_DEADLINE_MS,
      forMs: REPEAT_FOR_MS,
    });
    if (!known.ok) return { cause: 'PARTNER_UNKNOWN', message: known.message };
    const message = `The partner ${compiled.partner} has no operation ${compiled.operation}.`;
    return this.#callAt(step, known.partner) ?? { cause: 'PARTNER_UNKNOWN', message };
  }

  /** The call at a step when it is one of this partner's. */
  #callAt(seq: number, partner: OpenPartner): Call | undefined {
    const route = this.#route;
    const step = route?.calls[seq];
    if (route === undefined || step === undefined || step.partner !== partner.definition.name) return undefined;
    const { operations } = partner.definition;
    const operation = Object.hasOwn(operations, step.operation) ? operations[step.operation] : undefined;
    return operation && { step, route, partner, operation };
  }

  get #route(): CompiledRoute | undefined {
    return this.#walk.found.ok ? this.#walk.found.route : undefined;
  }

  #codeOf(step: number): string {
    return this.#route?.calls[step]?.code ?? stepErrorCode('call');
  }

  #nameOf(step: number): string {
    return this.#route?.calls[step]?.name ?? 'unknown';
  }

  #at({ step, tries }: Position): RecordAt {
    const { id, epoch, jobId, recordsCreatedAt } = this.#walk.chunk;
    return { chunkId: id, epoch, jobId, createdAt: recordsCreatedAt, line: this.#record.line, step, tries };
  }

  #valuesOf({ replies }: Position, step: CompiledCall) {
    const { tenantId, jobId, file } = this.#walk.chunk;
    const meta = { tenant: tenantId, job: jobId, file: file.name, line: this.#record.line, step: step.name };
    return { record: this.#record.values, replies, meta };
  }

  /** Constant over sweeps and generations of the job; only an operator's "resend as new" changes it. */
  #idempotencyKey({ name }: CompiledCall): string {
    const { tenantId, jobId } = this.#walk.chunk;
    const named = [tenantId, effectSeed(jobId), name, this.#record.line, this.#record.keyGeneration];
    return hash('sha256', JSON.stringify(named), 'hex');
  }

  #traceCall(
    { step: seq, tries }: Position,
    { step }: Call,
    made: Pick<TracedCall, 'outcome' | 'startedAt' | 'durationMs'> & { readonly requestId: string },
  ): void {
    const { partner, operation, name } = step;
    const { requestId, ...rest } = made;
    const facts = { line: this.#record.line, step: name, stepSeq: seq, tries, partner, operation, requestId };
    this.#walk.calls.add({ ...rest, facts });
  }

  #count({ step }: Call, { type: outcome }: CallOutcome, durationMs: number): void {
    if (outcome === 'withdrawn') return;
    const labels = { tenant: this.#walk.chunk.tenantId, partner: step.partner };
    this.#parts.metrics.calls.inc({ ...labels, operation: step.operation, outcome });
    if (outcome !== 'wait') this.#parts.metrics.callSeconds.observe(labels, durationMs / 1_000);
  }
}

/** Those that end a record. */
const STATE_OF: Readonly<Partial<Record<RecordMove['type'], string>>> = {
  success: 'SUCCESS',
  failed: 'FAILED',
  ambiguous: 'AMBIGUOUS',
};
