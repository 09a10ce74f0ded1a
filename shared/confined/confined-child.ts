/**
 * One child process that answers questions, each within its processor time and memory.
 *
 * 1. It keeps this process alive only while it is asked. It ends when it is disconnected, or when this process is gone.
 * 2. A child that something else ended, or that hangs, says nothing about its question: a kernel that is short of memory ends children first,
 *    whatever they read.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { LongshoreError } from '#shared/errors.ts';
import { MEMORY_VARIABLES } from '#shared/runtime/config/memory.ts';
import { within } from '#shared/runtime/within.ts';
import type { ChildMessage } from './answer-questions.ts';
import { SPENT_SIGNAL } from './spent-signal.ts';

export interface ChildBounds {
  /** Calls `answerQuestions`. */
  readonly program: URL;
  /** Of objects; strings and buffers outside of the heap have 256 MB in addition. */
  readonly heapMb: number;
  /** Of the processor, for one question. */
  readonly cpuMs: number;
  /** Of the clock on the wall, for one question, the start of a child not included; none when absent. */
  readonly deadlineMs?: number | undefined;
  /** A child that took so long for a question hangs, and is lost; a minute and ten times `cpuMs` when absent. */
  readonly hangMs?: number | undefined;
}

export type ConfinedAnswer<Answer> =
  | { readonly type: 'answered'; readonly answer: Answer }
  /** Of time or memory; the child has ended, or is about to. */
  | { readonly type: 'exhausted' }
  /** The deadline passed first; on a quiet machine there may be an answer. */
  | { readonly type: 'late' };

/** Another child may have an answer. */
export interface LostChild {
  readonly type: 'lost';
  readonly why: string;
}

export interface ConfinedChild<Question, Answer> {
  /**
   * One question at a time.
   *
   * @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when it did not start; the reason of `signal`; Error with what the program threw
   */
  ask(question: Question, signal?: AbortSignal): Promise<ConfinedAnswer<Answer> | LostChild>;
  readonly isAlive: boolean;
  /** It ends, and keeps what it compiled for the next one. */
  end(): void;
}

const YOUNG_MB = 4;
const MOST_LAST_WORDS = 2_000;
const START_MS = 60_000;
/** A processor that many others use as well gives a question its time within this many times as long. */
const MOST_SHARING = 10;
const END_MS = 30_000;
/** By which a process ends itself, or its watch ends it: whatever else ended it, its question did not. */
const ENDS_OF_THE_QUESTION: ReadonlySet<NodeJS.Signals> = new Set([
  SPENT_SIGNAL,
  'SIGABRT',
  'SIGTRAP',
  'SIGILL',
  'SIGSEGV',
  'SIGBUS',
  'SIGFPE',
]);

export function startConfinedChild<Question, Answer>(bounds: ChildBounds): ConfinedChild<Question, Answer> {
  const child = forked(bounds);
  const started = untilStarted(child);
  const isAlive = () => child.connected && child.exitCode === null && child.signalCode === null;

  function asked(question: Question): Promise<ConfinedAnswer<Answer> | LostChild> {
    const { promise, resolve, reject } = Promise.withResolvers<ConfinedAnswer<Answer> | LostChild>();
    const take = (message: ChildMessage<Answer>) => {
      if (message.type === 'failed') reject(new Error(message.message));
      else if (message.type !== 'started') resolve(message);
    };
    const ended = (_code: number | null, signal: NodeJS.Signals | null) => resolve(answerOfEnd(signal));
    child.on('message', take).once('exit', ended);
    if (isAlive()) child.send(question as object, ignore);
    else resolve({ type: 'lost', why: 'It had ended before.' });
    return promise.finally(() => child.off('message', take).off('exit', ended));
  }

  async function answerTo(question: Question): Promise<ConfinedAnswer<Answer> | LostChild> {
    await within(started, START_MS, () => {
      throw notStarted(`It had ${START_MS / 1_000} s.`);
    });
    const { deadlineMs, cpuMs, hangMs = START_MS + MOST_SHARING * cpuMs } = bounds;
    if (deadlineMs !== undefined) return await within(asked(question), deadlineMs, () => ({ type: 'late' as const }));
    return await within(asked(question), hangMs, () => ({
      type: 'lost' as const,
      why: `It hung for ${hangMs / 1_000} s.`,
    }));
  }

  return {
    async ask(question, signal) {
      signal?.throwIfAborted();
      keepUpBy(child, 'ref');
      const { promise: stopped, reject } = Promise.withResolvers<never>();
      const stop = () => reject(signal?.reason);
      signal?.addEventListener('abort', stop, { once: true });
      let isServing = false;
      try {
        const answer = await Promise.race([answerTo(question), stopped]);
        isServing = answer.type === 'answered';
        return answer;
      } finally {
        signal?.removeEventListener('abort', stop);
        if (!isServing) child.kill('SIGKILL');
        keepUpBy(child, 'unref');
      }
    },
    get isAlive() {
      return isAlive() && !child.killed;
    },
    end() {
      if (child.connected) child.disconnect();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const hanging = setTimeout(() => child.kill('SIGKILL'), END_MS).unref();
      child.once('exit', () => clearTimeout(hanging));
    },
  };
}

function forked({ program, heapMb, cpuMs }: ChildBounds): ChildProcess {
  try {
    return fork(program, [String(heapMb), String(cpuMs)], {
      execArgv: [`--max-old-space-size=${heapMb}`, `--max-semi-space-size=${YOUNG_MB}`],
      env: variables(),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
  } catch (error) {
    // The system has no memory, process or descriptor left for it.
    throw notStarted(error instanceof Error ? error.message : '', error);
  }
}

/** A program that ends without a signal met an error that it did not catch. */
function answerOfEnd(signal: NodeJS.Signals | null): { readonly type: 'exhausted' } | LostChild {
  if (signal === null || ENDS_OF_THE_QUESTION.has(signal)) return { type: 'exhausted' };
  return { type: 'lost', why: `It was ended by ${signal}.` };
}

/** No secret of ours is among them. */
function variables(): Record<string, string> {
  const { MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_ } = MEMORY_VARIABLES;
  const cache = getCompileCacheDir();
  // Node names it with a folder for its own version below.
  return { MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_, ...(cache && { NODE_COMPILE_CACHE: dirname(cache) }) };
}

/** Rejects with the last words of a child that ended before it started. */
function untilStarted(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let words = '';
  const fail = (cause?: Error) => reject(notStarted(words, cause));
  child.stderr?.on('data', (chunk) => {
    words = `${words}${String(chunk)}`.slice(-MOST_LAST_WORDS);
  });
  child.once('message', () => resolve());
  child.on('error', fail).once('close', () => fail());
  // Who asks hears of it; without a listener a failure before that would end this process.
  promise.catch(ignore);
  return promise;
}

function notStarted(why: string, cause?: unknown): LongshoreError {
  return new LongshoreError('DEPENDENCY_UNAVAILABLE', `A process that reads foreign text did not start. ${why}`, {
    cause,
  });
}

/** Whether this process waits for the child before it ends. */
function keepUpBy(child: ChildProcess, verb: 'ref' | 'unref'): void {
  child[verb]();
  child.channel?.[verb]();
  (child.stderr as Socket | null)?.[verb]();
}

function ignore(): void {}
