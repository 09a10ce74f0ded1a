/**
 * Carries what is queued to the buckets of another server, for as long as it is not stopped: what Amazon S3 does for buckets with a
 * replication rule.
 *
 * 1. Asynchronous: a write is answered before its replica is there. Versions arrive in any order.
 * 2. While the other server does not answer, versions wait; nothing is given up. A version that is deleted meanwhile is not sent.
 */
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ObjectStore } from '#local/s3/object-store.ts';
import { encodeReplica, REPLICA_HEADER } from '#local/s3/replica.ts';
import type { QueuedVersion } from '#local/s3/replication-queue.ts';
import type { ObjectVersion } from '#local/s3/version-store.ts';
import { createPartClient } from '#shared/files/s3-client.ts';
import { backoffMs } from '#shared/queue/backoff.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface ReplicationTarget {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** From a write to the first attempt to copy it; 0 when absent. */
  readonly delayMs?: number;
}

export interface Replication {
  /** Idempotent; what is under way is cut off, and goes again at the next start. */
  stop(): Promise<void>;
}

interface ReplicateObjectsOptions {
  readonly store: ObjectStore;
  readonly target: ReplicationTarget;
  readonly logger: Logger;
}

const SIDE_BY_SIDE = 8;
/** One index probe of some microseconds each. */
const LOOK_INTERVAL_MS = 20;
const STALL_MS = 10_000;
const BACKOFF = { firstMs: 100, maxMs: 2_000 };

export function replicateObjects({ store, target, logger }: ReplicateObjectsOptions): Replication {
  const { delayMs = 0, ...server } = target;
  const client = createPartClient({ LONGSHORE_S3_PATH_STYLE: true, stallMs: STALL_MS, ...server });
  const stopping = new AbortController();
  const { signal } = stopping;
  const underWay = new Map<number, Promise<void>>();
  let failures = 0;

  async function replicate(queued: QueuedVersion): Promise<void> {
    try {
      await sendVersion({ store, client, queued, signal });
      store.replication.remove(queued.position);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures === 1)
        logger.warn({ err: error, key: queued.key }, 'replication fails; it is tried until it succeeds');
      const pauseMs = backoffMs(failures, { ...BACKOFF, random: Math.random });
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      // Those under way are among the oldest, and as many more are enough for every free place.
      const waiting = store.replication.read(2 * SIDE_BY_SIDE).filter(({ position }) => !underWay.has(position));
      for (const queued of waiting.filter((one) => isDue(one)).slice(0, SIDE_BY_SIDE - underWay.size)) {
        const replicating = replicate(queued).finally(() => underWay.delete(queued.position));
        underWay.set(queued.position, replicating);
      }
      const isFull = underWay.size === SIDE_BY_SIDE;
      const pause = delay(LOOK_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
      await (isFull ? Promise.race(underWay.values()) : pause);
    }
  }

  function isDue({ bucketId, key, versionId }: QueuedVersion): boolean {
    const modifiedMs = store.versions.find(bucketId, key, versionId)?.modifiedMs ?? 0;
    return store.now() - modifiedMs >= delayMs;
  }

  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
      await Promise.all(underWay.values());
      client.destroy();
    },
  };
}

async function sendVersion(options: {
  store: ObjectStore;
  client: S3Client;
  queued: QueuedVersion;
  signal: AbortSignal;
}): Promise<void> {
  const { store, client, queued, signal } = options;
  const version = store.versions.find(queued.bucketId, queued.key, queued.versionId);
  const bucket = store.buckets.list().find(({ id }) => id === queued.bucketId);
  const rule = bucket && store.replication.ruleOf(bucket.name);
  if (version === undefined || rule === undefined) return;
  const body = version.bodyId === undefined ? undefined : store.bodies.open(version.bodyId);
  const bytes =
    body?.readWhole() ?? (body === undefined ? Buffer.alloc(0) : Readable.from(body.read(0, body.sizeBytes)));
  try {
    const put = new PutObjectCommand({
      Bucket: rule.to,
      Key: version.key,
      Body: bytes,
      ContentLength: version.sizeBytes,
    });
    put.middlewareStack.add(
      (next) => (args) => {
        const request = args.request as { query: Record<string, string>; headers: Record<string, string> };
        request.query = { replica: '' };
        request.headers[REPLICA_HEADER] = describe(version);
        return next(args);
      },
      { name: 'describeReplica', step: 'build' },
    );
    await client.send(put, { abortSignal: signal });
  } finally {
    if (bytes instanceof Readable) bytes.destroy();
    body?.close();
  }
}

function describe({ seq, versionId, modifiedMs, isDeleteMarker, etag, details }: ObjectVersion): string {
  return encodeReplica({ seq, versionId, modifiedMs, isDeleteMarker, etag, details });
}
