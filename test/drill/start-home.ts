/**
 * Starts a home of the drill and speaks with it.
 *
 * `kill` is the loss of a region: the launcher, its guardian, PostgreSQL with its sessions and every service get SIGKILL at once, so
 * that nothing is drained, flushed or handed over.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Endpoints } from '#local/launcher/endpoints.ts';
import type { Role } from '#local/pair/choose-role.ts';
import type { StartStackOptions } from '#local/stack.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';

export type HomeQuestion = 'promote' | 'standDown' | 'stop';

export interface HomeState {
  readonly role: Role;
  readonly fencedData?: string;
  readonly endpoints: Endpoints;
  readonly env: Readonly<Record<string, string>>;
  /** Names of those that run. */
  readonly processes: readonly string[];
}

export type HomeAnswer =
  | { readonly about: HomeQuestion | 'start'; readonly state: HomeState }
  | { readonly about: HomeQuestion; readonly error: string };

export interface DrillHome {
  readonly directory: string;
  /** As of its last answer. */
  readonly state: HomeState;
  ask(question: HomeQuestion): Promise<void>;
  /** Resolves when nothing of it runs any more, to when that began, in milliseconds since 1970. */
  kill(): Promise<number>;
}

const PROGRAM = fileURLToPath(new URL('./home-process.ts', import.meta.url));
const GONE_TIMEOUT_MS = 60_000;
const WORDS_SHOWN = 2_000;

export async function startHome(options: StartStackOptions): Promise<DrillHome> {
  const child = fork(PROGRAM, [JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    words = `${words}${chunk.toString('utf8')}`.slice(-WORDS_SHOWN);
  });
  const nextAnswer = () => answerOf(child, () => words);
  let state = await nextAnswer();
  return {
    directory: options.home,
    get state() {
      return state;
    },
    async ask(question) {
      const answered = nextAnswer();
      child.send(question);
      state = await answered;
    },
    kill: () => killFamily(child.pid ?? 0),
  };
}

async function answerOf(child: ChildProcess, words: () => string): Promise<HomeState> {
  const { promise, resolve, reject } = Promise.withResolvers<HomeState>();
  const hear = (answer: HomeAnswer) =>
    'state' in answer ? resolve(answer.state) : reject(new Error(`${answer.about}: ${answer.error}`));
  const end = (code: number | null, signal: string | null) =>
    reject(new Error(`the home ended (${signal ?? `code ${code}`}): ${words()}`));
  child.once('message', hear);
  child.once('exit', end);
  try {
    return await promise;
  } finally {
    child.off('message', hear);
    child.off('exit', end);
  }
}

async function killFamily(pid: number): Promise<number> {
  const family = [pid, ...descendantsOf(pid)];
  for (const one of family) killQuietly(one);
  const killedAt = Date.now();
  await waitUntil('every process of the home is gone', () => !family.some(isRunning), { timeoutMs: GONE_TIMEOUT_MS });
  return killedAt;
}

function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = readStat(Number(name))?.parent;
    if (parent !== undefined) parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const visit = (one: number) => {
    for (const child of parents.get(one) ?? []) {
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}

/** One that has ended and that nobody has waited for runs no more. */
function isRunning(pid: number): boolean {
  const state = readStat(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function readStat(pid: number): { state: string; parent: number } | undefined {
  try {
    const [state = '', parent] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
