/**
 * One SQS or SNS batch request, entry by entry: such a request answers 200 and lists under `Failed` what it did not do.
 *
 * 1. Entries that failed through the server's fault, and whole requests that got no answer, are repeated within `attempts`.
 * 2. Each try has a deadline; the result says for every entry what came of it. Nothing is thrown.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '#shared/queue/backoff.ts';

export type EntryOutcome =
  | { readonly ok: true; readonly messageId: string | undefined }
  | { readonly ok: false; readonly retryable: boolean; readonly reason: string };

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
  /** For one try; default 10 s. */
  readonly deadlineMs?: number;
  readonly random?: () => number;
}

export async function sendBatchRequest<Entry>({
  entries,
  request,
  attempts = 3,
  deadlineMs = 10_000,
  random = Math.random,
}: BatchRequestOptions<Entry>): Promise<EntryOutcome[]> {
  const outcomes: EntryOutcome[] = entries.map(() => ({ ok: false, retryable: true, reason: 'not sent' }));
  let open = entries.map((entry, index) => ({ id: String(index), entry }));
  for (let attempt = 1; open.length > 0 && attempt <= attempts; attempt += 1) {
    if (attempt > 1) await sleep(backoffMs(attempt - 1, { firstMs: 100, maxMs: 2_000, random }));
    const answered = await tryOnce(() => request(open, AbortSignal.timeout(deadlineMs)));
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
    const outcome: EntryOutcome = { ok: false, retryable: !isRefused(error), reason: reasonOf(error) };
    return () => outcome;
  }
}

function isRetryable(outcome: EntryOutcome | undefined): boolean {
  return outcome !== undefined && !outcome.ok && outcome.retryable;
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
