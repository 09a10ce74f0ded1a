/**
 * Definitions that callers sent, parsed in a thread with a bound on its time and its memory.
 *
 * 1. The event loop never parses them: however hostile, they cost their own request and nobody else's.
 * 2. A thread serves one body and ends. Whatever it is at, it is ended when its processor time is spent, or when nobody waits for the answer.
 *    Processor time, as on a busy machine good definitions take long too: those are asked for again, and not refused.
 * 3. A customer has one thread at a time, so that it cannot hold them all; those that wait are bounded by customer and in all.
 */
import { Worker } from 'node:worker_threads';
import pLimit, { type LimitFunction } from 'p-limit';
import { LongshoreError } from '#shared/errors.ts';
import type { Definitions, DefinitionsBody } from './read-definitions.ts';

export interface DefinitionParserOptions {
  /** Processor time of one body, the start of the thread included; 5 s when absent. */
  readonly cpuMs?: number;
  /** Of the clock on the wall; 15 s when absent. */
  readonly deadlineMs?: number;
}

export interface DefinitionParser {
  /** @throws LongshoreError `ROUTE_TOO_COMPLEX`, `REQUEST_INVALID`, `RATE_LIMITED` or `OVERLOADED` */
  parse(
    body: DefinitionsBody,
    caller: { readonly customer: string; readonly signal: AbortSignal },
  ): Promise<Exclude<Definitions, { ok: 'no-files' }>>;
}

const THREADS = 2;
const MOST_OF_A_CUSTOMER = 4;
const MOST_WAITING = 16;
const CPU_MS = 5_000;
const DEADLINE_MS = 15_000;
const LOOK_MS = 100;
/** 4,500 routes in 1 MiB fit. */
const HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

export function createDefinitionParser({
  cpuMs = CPU_MS,
  deadlineMs = DEADLINE_MS,
}: DefinitionParserOptions = {}): DefinitionParser {
  const threads = pLimit(THREADS);
  const lines = new Map<string, LimitFunction>();

  async function inTurn<Result>(customer: string, work: () => Promise<Result>): Promise<Result> {
    const line = lines.get(customer) ?? pLimit(1);
    if (line.activeCount + line.pendingCount >= MOST_OF_A_CUSTOMER)
      throw new LongshoreError('RATE_LIMITED', 'Too many definitions of yours wait to be checked.');
    if (threads.pendingCount >= MOST_WAITING)
      throw new LongshoreError('OVERLOADED', 'Too many definitions wait to be checked.');
    lines.set(customer, line);
    try {
      return await line(() => threads(work));
    } finally {
      if (line.activeCount + line.pendingCount === 0) lines.delete(customer);
    }
  }

  return {
    async parse(body, { customer, signal }) {
      const definitions = await inTurn(customer, () => runThread(body, { cpuMs, deadlineMs, signal }));
      if (definitions.ok !== 'no-files') return definitions;
      throw new LongshoreError('REQUEST_INVALID', 'The list of files is not as it should be.', {
        details: { in: 'body', faults: definitions.fieldFaults },
      });
    },
  };
}

interface ThreadBounds {
  readonly cpuMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

function runThread(body: DefinitionsBody, { cpuMs, deadlineMs, signal }: ThreadBounds): Promise<Definitions> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(tooComplex());
    const thread = new Worker(new URL('./definition-thread.ts', import.meta.url), {
      workerData: body,
      resourceLimits: HEAP,
    });
    const end = () => void thread.terminate();
    const timer = setTimeout(() => {
      reject(new LongshoreError('OVERLOADED', 'The definitions could not be checked in time.'));
      end();
    }, deadlineMs);
    const looking = setInterval(() => {
      thread.cpuUsage().then(({ user, system }) => {
        if ((user + system) / 1_000 > cpuMs) end();
      }, ignoreEnded);
    }, LOOK_MS);
    signal.addEventListener('abort', end, { once: true });
    thread.once('message', resolve);
    thread.once('error', (error: Error & { readonly code?: string }) =>
      reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooComplex() : error),
    );
    // Comes last; what was settled before stays so.
    thread.once('exit', () => {
      clearTimeout(timer);
      clearInterval(looking);
      signal.removeEventListener('abort', end);
      reject(tooComplex());
    });
  });
}

/** It has no usage any more. */
function ignoreEnded(): void {}

function tooComplex(): LongshoreError {
  return new LongshoreError(
    'ROUTE_TOO_COMPLEX',
    'The definitions take too much time or memory to check; nothing was applied.',
  );
}
