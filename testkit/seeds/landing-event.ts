/** The event that EventBridge sends for an object in landing, so that tests can send it once more. */
import { createHash, randomUUID } from 'node:crypto';
import { objectCreatedEvent } from '#local/event-bridge/object-created-event.ts';

const IDENTITY = { account: '000000000000', region: 'us-east-1' };

export interface PlacedObject {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly body: Buffer;
}

/** Of an object that was put in one piece, whose ETag is therefore its MD5. */
export function landingEvent({ bucket, key, versionId, body }: PlacedObject) {
  const entry = {
    id: randomUUID(),
    time: new Date().toISOString(),
    bucket,
    key,
    size: body.length,
    etag: createHash('md5').update(body).digest('hex'),
    versionId,
    sequencer: '00000000000000000001',
    reason: 'PutObject',
    requester: 'test',
  } as const;
  return objectCreatedEvent(entry, IDENTITY);
}
