/** The job's object as one buffer, for targets that take a small file whole. */
import type { FileContent } from '#shared/partners/request-content.ts';
import type { StepContext } from './step-context.ts';
import { currentName } from './step-keys.ts';

const ANY_CONTENT = 'application/octet-stream';
/** What a header may hold of what a sender said; anything else could end it. */
const CONTENT_TYPE = /^[\w!#$&^.+-]{1,64}\/[\w!#$&^.+-]{1,64}(?:; ?charset=[\w-]{1,32})?$/;

/** @throws ObjectStoreError */
export async function readContent(context: StepContext<unknown>): Promise<FileContent> {
  const { store, object, head, signal } = context;
  const pieces: Uint8Array[] = [];
  for await (const piece of store.readStream(object, { ifMatch: object.etag, signal })) pieces.push(piece);
  const contentType = head?.contentType;
  return {
    name: currentName(context),
    contentType: contentType !== undefined && CONTENT_TYPE.test(contentType) ? contentType : ANY_CONTENT,
    bytes: Buffer.concat(pieces),
  };
}
