/**
 * SQS and SNS batch requests, entry by entry: such a request answers 200 and lists under `Failed` what it did not do.
 *
 * 1. Entries that failed through the server's fault, and whole requests that got no answer, are repeated within `attempts`.
 * 2. All tries together have a deadline; the result says for every entry what happened to it. Nothing is thrown.
 * 3. A server that left a request without an answer is not asked again for what waited behind that request: a silent server costs its
 *    callers one deadline, however much they have to send.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '#shared/queue/backoff.ts';
import { Coalescer, type CoalescerOptions } from '#shared/queue/coalescer.ts';

export type EntryOutcome =
  | { readonly ok: true; readonly messageId: string | undefined }
  | {
      readonly ok: false;
      readonly retryable: boolean;
      readonly reason: string;
      /** No server said anything. */
      readonly isUnanswered?: boolean;
    };

export interface BatchReply {
  readonly Successful?:
    | readonly { readonly Id?: string | undefined; readonly MessageId?: string | undefined }[]
    | undefined;
  readonly Failed?:
    | readonly {
        readonly Id?: string | undefined;
        readonly Code?: string | undefined;
        readonly Message?: string | undefined;
        readonly SenderFault?: boolean | undefined;
      }[]
    | undefined;
}

export interface BatchRequestOptions<Entry> {
  /** At most 10. */
  readonly entries: readonly Entry[];
  /** `id` is unique in the request and is to be used as the entry's `Id`. */
  readonly request: (
    batch: readonly { readonly id: string; readonly entry: Entry }[],
    abortSignal: AbortSignal,
  ) => Promise<BatchReply>;
  /** Default 3. */
  readonly attempts?: number;
  /** For all tries together, of which one takes half at most; default 10 s. */
  readonly deadlineMs?: number;
  readonly random?: () => number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export interface BatchSenderOptions<Entry>
  extends Omit<CoalescerOptions<Entry, EntryOutcome>, 'run'>,
    Omit<BatchRequestOptions<Entry>, 'entries'> {}

export interface BatchSender<Entry> {
  add(entry: Entry): Promise<EntryOutcome>;
  flush(): Promise<void>;
}

/** Sends what is added side by side in shared requests (3). */
export function createBatchSender<Entry>(options: BatchSenderOptions<Entry>): BatchSender<Entry> {
  const { sizeOf, now = () => performance.now(), ...batching } = options;
  let silentAtMs = Number.NEGATIVE_INFINITY;
  const requests = new Coalescer<{ readonly entry: Entry; readonly addedAtMs: number }, EntryOutcome>({
    ...batching,
    ...(sizeOf !== undefined && { sizeOf: ({ entry }) => sizeOf(entry) }),
    async run(waiting) {
      if (waiting.every(({ addedAtMs }) => addedAtMs <= silentAtMs)) return waiting.map(() => UNANSWERED);
      const outcomes = await sendBatchRequest({ ...options, entries: waiting.map(({ entry }) => entry) });
      if (outcomes.every((outcome) => !outcome.ok && outcome.isUnanswered === true)) silentAtMs = now();
      return outcomes;
    },
  });
  return {
    add: (entry) => requests.add({ entry, addedAtMs: now() }),
    flush: () => requests.flush(),
  };
}

const UNANSWERED: EntryOutcome = {
  ok: false,
  retryable: true,
  isUnanswered: true,
  reason: 'the request before was not answered',
};

export async function sendBatchRequest<Entry>({
  entries,
  request,
  attempts = 3,
  deadlineMs = 10_000,
  random = Math.random,
  now = () => performance.now(),
}: BatchRequestOptions<Entry>): Promise<EntryOutcome[]> {
  const endMs = now() + deadlineMs;
  const outcomes: EntryOutcome[] = entries.map(() => ({ ok: false, retryable: true, reason: 'not sent' }));
  let open = entries.map((entry, index) => ({ id: String(index), entry }));
  for (let attempt = 1; open.length > 0 && attempt <= attempts; attempt += 1) {
    if (attempt > 1) await sleep(backoffMs(attempt - 1, { firstMs: 100, maxMs: 2_000, random }));
    const leftMs = Math.floor(endMs - now());
    if (leftMs <= 0) break;
    const tryMs = Math.min(leftMs, Math.ceil(deadlineMs / 2));
    const answered = await tryOnce(() => request(open, AbortSignal.timeout(tryMs)));
    for (const { id } of open) outcomes[Number(id)] = answered(id);
    open = open.filter(({ id }) => isRetryable(outcomes[Number(id)]));
  }
  return outcomes;
}

async function tryOnce(send: () => Promise<BatchReply>): Promise<(id: string) => EntryOutcome> {
  try {
    const { Successful = [], Failed = [] } = await send();
    const byId = new Map<string | undefined, EntryOutcome>();
    for (const { Id, MessageId } of Successful) byId.set(Id, { ok: true, messageId: MessageId });
    for (const { Id, Code, Message, SenderFault } of Failed) {
      byId.set(Id, { ok: false, retryable: SenderFault !== true, reason: `${Code ?? 'Failed'}: ${Message ?? ''}` });
    }
    // An entry that the answer does not name was not done, as far as anyone can tell.
    return (id) => byId.get(id) ?? { ok: false, retryable: true, reason: 'missing in the answer' };
  } catch (error) {
    const outcome: EntryOutcome = {
      ok: false,
      retryable: !isRefused(error),
      isUnanswered: !isAnswered(error),
      reason: reasonOf(error),
    };
    return () => outcome;
  }
}

function isRetryable(outcome: EntryOutcome | undefined): boolean {
  return outcome !== undefined && !outcome.ok && outcome.retryable;
}

/** Whether a server said no, as opposed to saying nothing. */
export function isAnswered(error: unknown): boolean {
  if (!(error instanceof Error) || !('$metadata' in error)) return false;
  return (error.$metadata as { httpStatusCode?: number }).httpStatusCode !== undefined;
}

/** A client error other than throttling: the same request would be refused again. */
function isRefused(error: unknown): boolean {
  if (!(error instanceof Error) || !('$metadata' in error)) return false;
  if ('$retryable' in error && error.$retryable !== undefined) return false;
  if (/throttl|overlimit|expired|clock/i.test(error.name)) return false;
  const { httpStatusCode } = error.$metadata as { httpStatusCode?: number };
  return httpStatusCode !== undefined && httpStatusCode >= 400 && httpStatusCode < 500 && httpStatusCode !== 429;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return `${code}: ${error.message}`;
}
