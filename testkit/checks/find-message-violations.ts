/** At rest no queue and no DLQ holds a message, and no event waits in the outbox. */

import { readQueueDepth } from '#shared/queue/queue-depth.ts';
import { QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import type { Violation } from './find-row-violations.ts';
import { waitUntil } from './wait-until.ts';

export async function findMessageViolations(fleet: TestFleet, timeoutMs: number): Promise<Violation[]> {
  let left: Violation[] = [];
  await waitUntil(
    'queues and outbox are empty',
    async () => {
      left = await findLeft(fleet);
      return left.length === 0;
    },
    { timeoutMs },
  ).catch(() => undefined);
  return left;
}

async function findLeft({ sqs, sql, queueUrls }: TestFleet): Promise<Violation[]> {
  const urls = QUEUE_IDS.flatMap((id) => [
    [id, queueUrls[id].main] as const,
    [`${id}-dlq`, queueUrls[id].deadLetters] as const,
  ]);
  const depths = await Promise.all(
    urls.map(async ([queue, queueUrl]) => ({ queue, ...(await readQueueDepth({ client: sqs, queueUrl })) })),
  );
  const standing = depths.filter(({ visible, inFlight, delayed }) => visible + inFlight + delayed > 0);
  const unsent = await sql`SELECT event_id, topic, created_at FROM outbox LIMIT 5`;
  return [
    { rule: 'every queue and DLQ is empty', rows: standing },
    { rule: 'the outbox is empty', rows: unsent },
  ].filter(({ rows }) => rows.length > 0);
}
