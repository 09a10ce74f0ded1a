/** The worker that computes checksums, as promises. */
import type { ChecksumReply, ChecksumRequest } from './checksum-worker.ts';
import workerUrl from './checksum-worker.ts?worker&url';

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): URL };
}

export interface Checksums {
  /**
   * In the order of the file: the whole is of the parts that were asked about in one reading. A file that is read again, or twice at once,
   * is another reading each time.
   */
  ofPart(reading: string, piece: Blob): Promise<string>;
  ofWhole(reading: string): Promise<string>;
}

type Asked = ChecksumRequest extends infer Request
  ? Request extends ChecksumRequest
    ? Omit<Request, 'id'>
    : never
  : never;

export function createChecksums(): Checksums {
  const worker = new Worker(ownScript(workerUrl), { type: 'module' });
  const waiting = new Map<number, { resolve: (crc: string) => void; reject: (error: Error) => void }>();
  let asked = 0;
  worker.onmessage = ({ data: { id, crc64nvme, error } }: MessageEvent<ChecksumReply>) => {
    const asker = waiting.get(id);
    waiting.delete(id);
    if (crc64nvme === undefined) asker?.reject(new Error(error));
    else asker?.resolve(crc64nvme);
  };
  worker.onerror = ({ message }) => {
    for (const { reject } of waiting.values()) reject(new Error(message));
    waiting.clear();
  };
  const ask = (request: Asked) =>
    new Promise<string>((resolve, reject) => {
      asked += 1;
      waiting.set(asked, { resolve, reject });
      worker.postMessage({ ...request, id: asked });
    });
  return {
    ofPart: (reading, piece) => ask({ type: 'part', reading, piece }),
    ofWhole: (reading) => ask({ type: 'whole', reading }),
  };
}

/** Under Trusted Types only the one policy may name a script, and it names ours. */
function ownScript(url: string): URL {
  const absolute = new URL(url, import.meta.url).href;
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (trustedTypes === undefined) return new URL(absolute);
  const policy = trustedTypes.createPolicy('longshore-worker', { createScriptURL: (given) => given });
  return policy.createScriptURL(absolute);
}
