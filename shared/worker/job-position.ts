/** Where a job stands while a worker walks it: the step to try, and what the steps before it made. Pure. */
import { createHash } from 'node:crypto';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { ClaimedJob } from '#shared/jobs/claim-jobs.ts';

export interface JobPosition {
  /** Of the row: 0 is the route's first step. */
  readonly stepSeq: number;
  readonly stepKind: string;
  /** In this generation. */
  readonly attempt: number;
  /** Over all generations. */
  readonly tries: number;
  readonly object: ObjectLocation;
  /** By step kind, the latest of a kind. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export function claimedPosition(job: ClaimedJob): JobPosition {
  const bySeq = Object.entries(job.outputs).sort(([one], [other]) => Number(one) - Number(other));
  return {
    stepSeq: job.stepSeq,
    stepKind: job.stepKind,
    attempt: job.stepAttempts,
    tries: job.stepTries,
    object: job.object ?? fileLocation(job.file),
    outputs: Object.fromEntries(bySeq.map(([, { kind, output }]) => [kind, output ?? {}])),
  };
}

/** After a step that succeeded, when the job walks on. */
export function nextPosition(
  position: JobPosition,
  done: { readonly output?: Readonly<Record<string, unknown>>; readonly object?: ObjectLocation },
  next: { readonly stepSeq: number; readonly stepKind: string },
): JobPosition {
  return {
    stepSeq: next.stepSeq,
    stepKind: next.stepKind,
    attempt: 1,
    tries: 1,
    object: done.object ?? position.object,
    outputs: { ...position.outputs, [position.stepKind]: done.output ?? {} },
  };
}

/** One per (tenant, job, step): the same over retries, redrives and generations. */
export function idempotencyKey(tenantId: string, jobId: string, stepSeq: number): string {
  return createHash('sha256')
    .update(JSON.stringify([tenantId, jobId, stepSeq]))
    .digest('hex');
}

/** The archived copy once there is one; its ETag is the store's own affair, e.g. after a copy in parts. */
export function fileLocation({ archive, bucket, key, versionId, sizeBytes, etag }: ClaimedJob['file']): ObjectLocation {
  return archive === null ? { bucket, key, versionId, sizeBytes, etag } : { ...archive, sizeBytes };
}
