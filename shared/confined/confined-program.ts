/**
 * Foreign text that can blow up what reads it (an expression, a template, a document) is read by a program in child processes.
 *
 * 1. Whatever a question does ends its child at most, never this process. A thread is not enough: V8 aborts the whole process when one
 *    allocation is larger than what is left of a thread's heap.
 * 2. A question has a budget of processor time, its child one of memory. What exceeds one is answered `exhausted`. A child that something
 *    else ended, or that hangs, is not a verdict on the question: another child is asked.
 * 3. A customer's questions are asked one after the other, so that it cannot hold all children.
 * 4. A child serves many questions, as its start costs more than most of them, and ends when it had none for a while.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import { LongshoreError } from '#shared/errors.ts';
import { unlessAborted } from '#shared/runtime/within.ts';
import { type ChildBounds, type ConfinedAnswer, type ConfinedChild, startConfinedChild } from './confined-child.ts';

export interface ConfinedProgramOptions extends ChildBounds {
  /** At the same time; 2 when absent. */
  readonly children?: number;
  /** A child without a question for so long ends; 5 s when absent. */
  readonly idleMs?: number;
}

export interface ConfinedProgram<Question, Answer> {
  /**
   * As `ask` of a child, when it is the customer's turn.
   *
   * @throws LongshoreError `READER_LOST` when several children were lost
   */
  ask(
    question: Question,
    asker: { readonly customer: string; readonly signal?: AbortSignal | undefined },
  ): Promise<ConfinedAnswer<Answer>>;
  /** Questions of the customer that are asked or wait. */
  countOf(customer: string): number;
  /** Questions whose turn it is and that wait for a child. */
  readonly waiting: number;
}

const CHILDREN = 2;
const IDLE_MS = 5_000;
/** What questions leave behind in a child ends with it. */
const MOST_QUESTIONS = 1_000;
/** A question whose children are always lost may be what the machine has no memory for. */
const MOST_LOST = 3;

interface Place<Question, Answer> {
  readonly child: ConfinedChild<Question, Answer>;
  questions: number;
  idleTimer?: NodeJS.Timeout;
}

export function createConfinedProgram<Question, Answer>({
  children = CHILDREN,
  idleMs = IDLE_MS,
  ...bounds
}: ConfinedProgramOptions): ConfinedProgram<Question, Answer> {
  const places = pLimit(children);
  const lines = new Map<string, LimitFunction>();
  const idle = new Set<Place<Question, Answer>>();

  async function inTurn<Result>(customer: string, work: () => Promise<Result>): Promise<Result> {
    const line = lines.get(customer) ?? pLimit(1);
    lines.set(customer, line);
    try {
      return await line(() => places(work));
    } finally {
      if (line.activeCount + line.pendingCount === 0) lines.delete(customer);
    }
  }

  function take(): Place<Question, Answer> {
    for (const place of idle) {
      idle.delete(place);
      clearTimeout(place.idleTimer);
      if (place.child.isAlive) return place;
    }
    return { child: startConfinedChild(bounds), questions: 0 };
  }

  /** A child that was killed is not alive. */
  function putBack(place: Place<Question, Answer>): void {
    place.questions += 1;
    if (place.questions >= MOST_QUESTIONS || !place.child.isAlive) {
      place.child.end();
      return;
    }
    idle.add(place);
    place.idleTimer = setTimeout(() => {
      idle.delete(place);
      place.child.end();
    }, idleMs).unref();
  }

  async function askOnce(question: Question, signal: AbortSignal | undefined) {
    const place = take();
    try {
      return await place.child.ask(question, signal);
    } finally {
      putBack(place);
    }
  }

  async function askUntilKnown(question: Question, signal: AbortSignal | undefined): Promise<ConfinedAnswer<Answer>> {
    for (let lost = 1; ; lost += 1) {
      signal?.throwIfAborted();
      const answer = await askOnce(question, signal);
      if (answer.type !== 'lost') return answer;
      if (lost === MOST_LOST)
        throw new LongshoreError(
          'READER_LOST',
          `The process that reads foreign text was lost ${lost} times. ${answer.why}`,
        );
    }
  }

  return {
    ask(question, { customer, signal }) {
      const answered = inTurn(customer, () => askUntilKnown(question, signal));
      // It need not wait for its turn.
      return signal === undefined ? answered : unlessAborted(answered, signal);
    },
    countOf(customer) {
      const line = lines.get(customer);
      return line === undefined ? 0 : line.activeCount + line.pendingCount;
    },
    get waiting() {
      return places.pendingCount;
    },
  };
}
