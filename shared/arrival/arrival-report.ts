/** What is heard of an object in landing, from an event or from a listing, in one form. Pure. */
import type { LandingEvent } from '#shared/messages/landing-events.ts';

/** An object version is there. */
export interface ObjectReport {
  readonly kind: 'object';
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly sequencer?: string | undefined;
  /** RFC 3339. */
  readonly at: string;
  readonly heardFrom: 'event' | 'reconciliation';
}

/** An SFTP transfer ended. Names the object by key and, where known, by ETag and size, never by version. */
export interface TransferReport {
  readonly kind: 'completed' | 'failed';
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes?: number | undefined;
  readonly etag?: string | undefined;
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly username?: string | undefined;
  readonly failure?: string | undefined;
}

export type ArrivalReport = ObjectReport | TransferReport;

/** S3's id of the only version in a bucket that keeps none. */
export const UNVERSIONED = 'null';

/** The longest that is taken. */
const SEQUENCER_LENGTH = 64;

/** Undefined for events that say nothing about arrivals. */
export function toArrivalReport(event: LandingEvent): ArrivalReport | undefined {
  switch (event.type) {
    case 'Object Created': {
      const { bucket, object } = event.detail;
      return {
        kind: 'object',
        bucket: bucket.name,
        key: object.key,
        versionId: object['version-id'] ?? UNVERSIONED,
        sizeBytes: object.size,
        etag: quoted(object.etag),
        sequencer: object.sequencer?.toUpperCase().padEnd(SEQUENCER_LENGTH, '0'),
        at: event.time,
        heardFrom: 'event',
      };
    }
    case 'SFTP Server File Upload Completed':
    case 'SFTP Server File Upload Failed': {
      const { detail } = event;
      return {
        kind: event.type === 'SFTP Server File Upload Completed' ? 'completed' : 'failed',
        ...splitPath(detail['file-path']),
        sizeBytes: detail.bytes,
        etag: detail.etag === undefined ? undefined : quoted(detail.etag),
        ...timesOf(event.time, detail),
        username: detail.username,
        failure: 'failure-message' in detail ? detail['failure-message'] : undefined,
      };
    }
    // The object under the new name was written whole, by a copy.
    case 'SFTP Server File Rename Completed':
      return {
        kind: 'completed',
        ...splitPath(event.detail['renamed-file-path']),
        ...timesOf(event.time, event.detail),
        username: event.detail.username,
      };
    default:
      return undefined;
  }
}

/** Events carry ETags without the quotes that HTTP needs; stored is HTTP's form, as HEAD and listings give it. */
export function quoted(etag: string): string {
  return etag.startsWith('"') ? etag : `"${etag}"`;
}

function splitPath(path: string): { bucket: string; key: string } {
  const end = path.indexOf('/', 1);
  return { bucket: path.slice(1, end), key: path.slice(end + 1) };
}

function timesOf(
  time: string,
  detail: { 'start-timestamp'?: string | undefined; 'end-timestamp'?: string | undefined },
): { startedAt: Date; endedAt: Date } {
  const endedAt = new Date(detail['end-timestamp'] ?? time);
  return { startedAt: new Date(detail['start-timestamp'] ?? endedAt), endedAt };
}
