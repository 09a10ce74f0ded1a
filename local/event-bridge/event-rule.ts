/** Which events go to which queue: EventBridge's rules, as far as they are needed here. */
import type { TransferEvent } from '#local/sftp/transfer-event.ts';
import type { ObjectCreatedEvent } from './object-created-event.ts';

export type BridgeEvent = ObjectCreatedEvent | TransferEvent;

export interface EventRule {
  readonly detailTypes: readonly BridgeEvent['detail-type'][];
  readonly bucket: string;
  /** All keys when absent. */
  readonly keyPrefix?: string;
}

/** What the landing queue gets: new objects, and how the uploads of them ended. */
export function landingRule(bucket: string): EventRule {
  return {
    bucket,
    detailTypes: [
      'Object Created',
      'SFTP Server File Upload Completed',
      'SFTP Server File Upload Failed',
      'SFTP Server File Rename Completed',
    ],
  };
}

export function matchesRule({ detailTypes, bucket, keyPrefix = '' }: EventRule, event: BridgeEvent): boolean {
  if (!detailTypes.includes(event['detail-type'])) return false;
  if (event['detail-type'] === 'Object Created') {
    return event.detail.bucket.name === bucket && event.detail.object.key.startsWith(keyPrefix);
  }
  const path = event.detail['file-path'] ?? event.detail['renamed-file-path'];
  return typeof path === 'string' && path.startsWith(`/${bucket}/${keyPrefix}`);
}
