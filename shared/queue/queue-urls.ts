/** Asks once, at start, for the URLs of the queues a process uses; waits a bounded time for a server that is still starting. */
import { setTimeout as sleep } from 'node:timers/promises';
import { GetQueueUrlCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { LongshoreError } from '#shared/errors.ts';
import { backoffMs } from '#shared/queue/backoff.ts';

export interface ResolveQueueUrlsOptions<Name extends string> {
  readonly client: SQSClient;
  readonly names: readonly Name[];
  /** For all of them together; default 30 s. */
  readonly timeoutMs?: number;
  readonly random?: () => number;
}

/** @throws LongshoreError `DEPENDENCY_UNAVAILABLE` when a queue's URL is not known in time. */
export async function resolveQueueUrls<Name extends string>({
  client,
  names,
  timeoutMs = 30_000,
  random = Math.random,
}: ResolveQueueUrlsOptions<Name>): Promise<Record<Name, string>> {
  const deadline = AbortSignal.timeout(timeoutMs);
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
