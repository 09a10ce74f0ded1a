/** Amazon S3's "Object Created" event as EventBridge delivers it (Amazon S3 user guide, "EventBridge event message structure"). */
import type { ObjectCreated } from '#local/s3/event-journal.ts';

export interface BridgeIdentity {
  readonly account: string;
  readonly region: string;
}

export function objectCreatedEvent(entry: ObjectCreated, { account, region }: BridgeIdentity) {
  return {
    version: '0',
    id: entry.id,
    'detail-type': 'Object Created',
    source: 'aws.s3',
    account,
    // EventBridge's `time` has whole seconds.
    time: entry.time.replace(/\.\d+Z$/, 'Z'),
    region,
    resources: [`arn:aws:s3:::${entry.bucket}`],
    detail: {
      version: '0',
      bucket: { name: entry.bucket },
      object: {
        // Not URL-encoded, unlike in S3's own notifications.
        key: entry.key,
        size: entry.size,
        etag: entry.etag,
        ...(entry.versionId !== undefined && { 'version-id': entry.versionId }),
        sequencer: entry.sequencer,
      },
      'request-id': entry.id.replaceAll('-', '').slice(0, 16).toUpperCase(),
      requester: entry.requester,
      'source-ip-address': '127.0.0.1',
      reason: entry.reason,
    },
  } as const;
}

export type ObjectCreatedEvent = ReturnType<typeof objectCreatedEvent>;
