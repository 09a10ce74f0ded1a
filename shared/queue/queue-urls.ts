/**
 * The URLs of the queues that a process uses: asked for once, at start, with a bounded wait for a server that is still starting; or, where a
 * process has more to do than to wait for its queues, when they are first needed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { LongshoreError } from '#shared/errors.ts';
import { backoffMs } from '#shared/queue/backoff.ts';
import { askUntilKnown } from '#shared/runtime/ask-until-known.ts';

/** Known, or to be asked for; then it rejects as long as the server does not say. */
export type QueueUrl = string | (() => Promise<string>);

/** For one look-up. */
const LOOK_UP_MS = 5_000;

export function lookUpQueue(client: SQSClient, name: string): () => Promise<string> {
  return askUntilKnown(async () => {
    const { QueueUrl = '' } = await client.send(new GetQueueUrlCommand({ QueueName: name }), {
      abortSignal: AbortSignal.timeout(LOOK_UP_MS),
    });
    return QueueUrl;
  });
}

export async function urlOf(queue: QueueUrl): Promise<string> {
  return typeof queue === 'string' ? queue : await queue();
}

export interface ResolveQueueUrlsOptions<Name extends string> {
  readonly client: SQSClient;
  readonly names: readonly Name[];
  /** For all of them together; default 30 s. */
  readonly timeoutMs?: number;
  /** In place of the time: until then they are asked for. */
  readonly signal?: AbortSignal;
  readonly random?: () => number;
}

/** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when a queue's URL is not known in time. */
export async function resolveQueueUrls<Name extends string>({
  client,
  names,
  timeoutMs = 30_000,
  signal: deadline = AbortSignal.timeout(timeoutMs),
  random = Math.random,
}: ResolveQueueUrlsOptions<Name>): Promise<Record<Name, string>> {
  const pairs = await Promise.all(
    names.map(async (name) => [name, await resolveQueueUrl(client, name, deadline, random)] as const),
  );
  return Object.fromEntries(pairs) as Record<Name, string>;
}

async function resolveQueueUrl(
  client: SQSClient,
  name: string,
  deadline: AbortSignal,
  random: () => number,
): Promise<string> {
  let lastError: unknown;
  for (let failures = 1; !deadline.aborted; failures += 1) {
    try {
      const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: name }), { abortSignal: deadline });
      if (QueueUrl !== undefined) return QueueUrl;
    } catch (error) {
      if (!deadline.aborted) lastError = error;
    }
    await sleep(backoffMs(failures, { firstMs: 100, maxMs: 2_000, random }), undefined, { signal: deadline }).catch(
      () => undefined,
    );
  }
  throw new LongshoreError('DEPENDENCY_UNAVAILABLE', `The queue ${name} did not answer in time.`, {
    cause: lastError,
    hint: 'See that the queue exists and that AWS_ENDPOINT_URL_SQS and the credentials are right.',
    details: { queue: name },
  });
}
