/**
 * What an operator of two regions may do after a failover: replay the events of landing, and redrive what is in the DLQ. Every arrival
 * that the home knows is sent as an event once more, and the newest also as dead letters. Nothing may come of it.
 */
import { randomUUID } from 'node:crypto';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { objectCreatedEvent } from '#local/event-bridge/object-created-event.ts';
import { createQueues } from '#shared/queue/create-queues.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';
import { sendBodies } from '#testkit/seeds/send-bodies.ts';
import type { ConnectedHome } from './connect-home.ts';

const IDENTITY = { account: '000000000000', region: 'us-east-1' };
const DEAD_LETTERS = 20;
const TIMEOUT_MS = 120_000;

export async function replayEverything(home: ConnectedHome): Promise<{ events: number; deadLetters: number }> {
  const { sqs, prefix, sql } = home;
  const { landing } = await createQueues({ client: sqs, prefix });
  const bucket = bucketName(prefix, 'landing');
  const arrivals = await sql<{ key: string; versionId: string; size: number; etag: string; at: Date }[]>`
    SELECT key, version_id AS "versionId", size_bytes::float8 AS size, etag, uploaded_at AS at FROM files
    WHERE parent_file_id IS NULL ORDER BY uploaded_at`;
  const bodies = arrivals.map(({ etag, at, ...object }) => {
    const entry = { id: randomUUID(), time: at.toISOString(), bucket, etag: etag.replaceAll('"', ''), ...object };
    const rest = { sequencer: '01', reason: 'PutObject', requester: 'replay' } as const;
    return JSON.stringify(objectCreatedEvent({ ...entry, ...rest }, IDENTITY));
  });
  const dead = bodies.slice(-DEAD_LETTERS);
  const before = await countLetters(home);
  await sendBodies(sqs, landing.url, bodies);
  await sendBodies(sqs, landing.deadLetterUrl, dead);
  const look = new GetQueueAttributesCommand({
    QueueUrl: landing.url,
    AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
  });
  await waitUntil(
    'replayed events and dead letters are handled',
    async () => {
      const { Attributes = {} } = await sqs.send(look);
      const [row] = await sql<{ unhandled: number }[]>`
        SELECT count(*)::int AS unhandled FROM dead_letters WHERE state NOT IN ('REDRIVEN', 'PARKED')`;
      const isEmpty = Object.values(Attributes).every((count) => Number(count) === 0);
      return isEmpty && row?.unhandled === 0 && (await countLetters(home)) >= before + dead.length;
    },
    { timeoutMs: TIMEOUT_MS },
  );
  return { events: bodies.length, deadLetters: dead.length };
}

async function countLetters({ sql }: ConnectedHome): Promise<number> {
  const [row] = await sql<{ count: number }[]>`SELECT count(*)::int FROM dead_letters`;
  return row?.count ?? 0;
}
