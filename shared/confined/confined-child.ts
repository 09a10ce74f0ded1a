/**
 * One child process that answers questions, each within its processor time and memory.
 *
 * It keeps this process alive only while it is asked. It ends when it is disconnected, or when this process is gone.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { LongshoreError } from '#shared/errors.ts';
import { MEMORY_VARIABLES } from '#shared/runtime/config/memory.ts';
import { within } from '#shared/runtime/within.ts';
import type { ChildMessage } from './answer-questions.ts';

export interface ChildBounds {
  /** Calls `answerQuestions`. */
  readonly program: URL;
  /** Of objects; strings and buffers outside of the heap have 256 MB in addition. */
  readonly heapMb: number;
  /** Of the processor, for one question. */
  readonly cpuMs: number;
  /** Of the clock on the wall, for one question, the start of a child not included; none when absent. */
  readonly deadlineMs?: number | undefined;
}

export type ConfinedAnswer<Answer> =
  | { readonly type: 'answered'; readonly answer: Answer }
  /** Of time or memory; the child has ended, or is about to. */
  | { readonly type: 'exhausted' }
  /** The deadline passed first; on a quiet machine there may be an answer. */
  | { readonly type: 'late' };

export interface ConfinedChild<Question, Answer> {
  /**
   * One question at a time.
   *
   * @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when it did not start; the reason of `signal`; Error with what the program threw
   */
  ask(question: Question, signal?: AbortSignal): Promise<ConfinedAnswer<Answer>>;
  readonly isAlive: boolean;
  /** It ends, and keeps what it compiled for the next one. */
  end(): void;
}

const YOUNG_MB = 4;
const MOST_LAST_WORDS = 2_000;
const START_MS = 60_000;

export function startConfinedChild<Question, Answer>(bounds: ChildBounds): ConfinedChild<Question, Answer> {
  const child = fork(bounds.program, [String(bounds.heapMb), String(bounds.cpuMs)], {
    execArgv: [`--max-old-space-size=${bounds.heapMb}`, `--max-semi-space-size=${YOUNG_MB}`],
    env: variables(),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const started = untilStarted(child);
  const isAlive = () => child.connected && child.exitCode === null && child.signalCode === null;

  function asked(question: Question): Promise<ConfinedAnswer<Answer>> {
    const { promise, resolve, reject } = Promise.withResolvers<ConfinedAnswer<Answer>>();
    const take = (message: ChildMessage<Answer>) => {
      if (message.type === 'failed') reject(new Error(message.message));
      else if (message.type !== 'started') resolve(message);
    };
    const ended = () => resolve({ type: 'exhausted' });
    child.on('message', take).once('exit', ended);
    if (isAlive()) child.send(question as object, ignore);
    else ended();
    return promise.finally(() => child.off('message', take).off('exit', ended));
  }

  async function answerTo(question: Question): Promise<ConfinedAnswer<Answer>> {
    await within(started, START_MS, () => {
      throw notStarted(`It had ${START_MS / 1_000} s.`);
    });
    if (bounds.deadlineMs === undefined) return await asked(question);
    return await within(asked(question), bounds.deadlineMs, () => ({ type: 'late' as const }));
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
    },
  };
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

function notStarted(why: string, cause?: Error): LongshoreError {
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
