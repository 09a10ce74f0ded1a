/**
 * Definitions that callers sent, parsed in a thread with a bound on its time and its memory.
 *
 * 1. The event loop never parses them: however hostile, they cost their own request and nobody else's.
 * 2. A thread serves one body after the other, as its start costs more than most bodies do. Whatever it is at, it is ended when its processor
 *    time for a body is spent, or when nobody waits for the answer. Processor time, as on a busy machine good definitions take long too: those
 *    are asked for again, and not refused.
 * 3. A customer has one thread at a time, so that it cannot hold them all; those that wait are bounded by customer and in all.
 */
import { Worker } from 'node:worker_threads';
import pLimit, { type LimitFunction } from 'p-limit';
import { LongshoreError } from '#shared/errors.ts';
import type { ThreadAnswer } from './definition-thread.ts';
import type { Definitions, DefinitionsBody } from './read-definitions.ts';

export interface DefinitionParserOptions {
  /** Processor time of one body, the start of a thread included; 5 s when absent. */
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
/** A thread without work for so long ends. */
const IDLE_MS = 5_000;
/** What bodies leave behind in a thread ends with it. */
const MOST_BODIES = 100;
/** 4,500 routes in 1 MiB fit. */
const HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

export function createDefinitionParser({
  cpuMs = CPU_MS,
  deadlineMs = DEADLINE_MS,
}: DefinitionParserOptions = {}): DefinitionParser {
  const threads = pLimit(THREADS);
  const idle = new Set<DefinitionThread>();
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
      const definitions = await inTurn(customer, () => runThread(idle, body, { cpuMs, deadlineMs, signal }));
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

interface DefinitionThread {
  readonly worker: Worker;
  bodies: number;
  /** Of all bodies so far. */
  usedMs: number;
  idleTimer?: NodeJS.Timeout;
}

async function runThread(
  idle: Set<DefinitionThread>,
  body: DefinitionsBody,
  bounds: ThreadBounds,
): Promise<Definitions> {
  if (bounds.signal.aborted) throw tooComplex();
  const thread = takeThread(idle);
  const { definitions, usedMs } = await askThread(thread, body, bounds);
  thread.bodies += 1;
  thread.usedMs = usedMs;
  if (thread.bodies === MOST_BODIES) void thread.worker.terminate();
  else putBack(idle, thread);
  return definitions;
}

function takeThread(idle: Set<DefinitionThread>): DefinitionThread {
  for (const thread of idle) {
    idle.delete(thread);
    clearTimeout(thread.idleTimer);
    thread.worker.ref();
    return thread;
  }
  const worker = new Worker(new URL('./definition-thread.ts', import.meta.url), { resourceLimits: HEAP });
  // Without a listener one that fails while nobody waits would end the process.
  worker.on('error', ignoreEnded);
  return { worker, bodies: 0, usedMs: 0 };
}

/** It keeps no process alive while it waits. */
function putBack(idle: Set<DefinitionThread>, thread: DefinitionThread): void {
  idle.add(thread);
  thread.worker.unref();
  thread.idleTimer = setTimeout(() => {
    idle.delete(thread);
    void thread.worker.terminate();
  }, IDLE_MS).unref();
}

/** The thread has ended, or is about to, when this throws. */
function askThread(
  { worker, usedMs }: DefinitionThread,
  body: DefinitionsBody,
  { cpuMs, deadlineMs, signal }: ThreadBounds,
): Promise<ThreadAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ThreadAnswer>();
  const end = () => void worker.terminate();
  const timer = setTimeout(() => {
    reject(new LongshoreError('OVERLOADED', 'The definitions could not be checked in time.'));
    end();
  }, deadlineMs);
  const looking = setInterval(() => {
    worker.cpuUsage().then(({ user, system }) => {
      if ((user + system) / 1_000 - usedMs > cpuMs) end();
    }, ignoreEnded);
  }, LOOK_MS);
  const fail = (error: Error & { readonly code?: string }) =>
    reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooComplex() : error);
  // Comes last; what was settled before stays so.
  const ended = () => reject(tooComplex());
  signal.addEventListener('abort', end, { once: true });
  worker.once('message', resolve).once('error', fail).once('exit', ended);
  worker.postMessage(body);
  return promise.finally(() => {
    clearTimeout(timer);
    clearInterval(looking);
    signal.removeEventListener('abort', end);
    worker.off('message', resolve).off('error', fail).off('exit', ended);
  });
}

/** A thread that has ended has no usage, and its exit answers the caller. */
function ignoreEnded(): void {}

function tooComplex(): LongshoreError {
  return new LongshoreError(
    'ROUTE_TOO_COMPLEX',
    'The definitions take too much time or memory to check; nothing was applied.',
  );
}
