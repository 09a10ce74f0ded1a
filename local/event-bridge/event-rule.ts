/** Which events go to which queue: EventBridge's rules, as far as they are needed here. */
import type { TransferEvent } from '#local/sftp/transfer-event.ts';
import type { ObjectCreatedEvent } from './object-created-event.ts';

export type BridgeEvent = ObjectCreatedEvent | TransferEvent;

export interface EventRule {
  readonly detailTypes: readonly BridgeEvent['detail-type'][];
  readonly bucket: string;
  /** Where else actions of SFTP sessions are heard of. */
  readonly readBuckets?: readonly string[];
  /** All keys when absent. */
  readonly keyPrefix?: string;
}

/** What the landing queue gets: new objects, and what SFTP sessions did. */
export function landingRule(bucket: string, readBuckets: readonly string[] = []): EventRule {
  return {
    bucket,
    readBuckets,
    detailTypes: [
      'Object Created',
      'SFTP Server File Upload Completed',
      'SFTP Server File Upload Failed',
      'SFTP Server File Rename Completed',
      'SFTP Server File Download Completed',
      'SFTP Server File Download Failed',
      'SFTP Server File Delete Completed',
      'SFTP Server Directory Create Completed',
      'SFTP Server Directory Delete Completed',
    ],
  };
}

export function matchesRule(rule: EventRule, event: BridgeEvent): boolean {
  const { detailTypes, bucket, readBuckets = [], keyPrefix = '' } = rule;
  if (!detailTypes.includes(event['detail-type'])) return false;
  if (event['detail-type'] === 'Object Created') {
    return event.detail.bucket.name === bucket && event.detail.object.key.startsWith(keyPrefix);
  }
  const { detail } = event;
  const path = detail['file-path'] ?? detail['renamed-file-path'] ?? detail['directory-path'];
  const isUnder = (each: string): boolean => typeof path === 'string' && path.startsWith(`/${each}/${keyPrefix}`);
  return isUnder(bucket) || readBuckets.some(isUnder);
}
