/**
 * One upload: puts pipelined writes in order and hands them to the object store.
 *
 * 1. Bytes are stored from the first to the last, each once. What jumps back, or leaves a gap that is not filled within the
 *    window, fails the upload with `PARTIAL_UPLOAD`: object stores cannot write in the middle.
 * 2. Writes that overtake each other are normal (clients keep dozens under way); those wait in a window bounded in number
 *    and bytes.
 * 3. An upload ends once: whole by `complete`, or cut off by `cutOff`, which stores what came without a gap.
 */

import type { StoredObject } from './object-store.ts';
import type { ObjectWriter } from './object-writer.ts';
import { notResumable, partialUpload, type SftpFault } from './sftp-fault.ts';

/** OpenSSH keeps 64 writes under way, others over 100. */
const MAX_WAITING_WRITES = 1_024;
const MAX_WAITING_BYTES = 16 * 1_024 * 1_024;

export interface Upload {
  /** Bytes taken without a gap. */
  readonly receivedBytes: number;
  readonly failure: SftpFault | undefined;
  /** Notes why the upload is not whole; the fault to throw. */
  refuse(reason: string): SftpFault;
  /** Resolves when the bytes are taken over. Rejects with the upload's failure. */
  write(offset: number, data: Buffer): Promise<void>;
  /** @throws SftpFault when bytes are missing or the store failed; the caller then calls `cutOff`. */
  complete(): Promise<StoredObject>;
  /** The partial object, or nothing when not even that could be stored. Never rejects. */
  cutOff(): Promise<StoredObject | undefined>;
}

/** `isInPlace`: over an old file that was not truncated, which stays when the upload does not begin at its first byte. */
export function createUpload(writer: ObjectWriter, { isInPlace = false } = {}): Upload {
  const waiting = new Map<number, Buffer>();
  let waitingBytes = 0;
  let receivedBytes = 0;
  let failure: SftpFault | undefined;
  let isStoreBroken = false;
  let tail: Promise<void> = Promise.resolve();

  function fail(fault: SftpFault): SftpFault {
    failure ??= fault;
    return failure;
  }

  function enqueue(data: Buffer): Promise<void> {
    receivedBytes += data.length;
    tail = tail.then(() => writer.append(data));
    tail.catch((error: SftpFault) => {
      isStoreBroken = true;
      fail(error);
    });
    return tail;
  }

  function park(offset: number, data: Buffer): void {
    if (waiting.has(offset)) throw fail(partialUpload('the same range was written twice'));
    if (waiting.size >= MAX_WAITING_WRITES || waitingBytes + data.length > MAX_WAITING_BYTES) {
      throw fail(partialUpload('a file must be written from its beginning, without gaps'));
    }
    waiting.set(offset, Buffer.from(data));
    waitingBytes += data.length;
  }

  function enqueueParked(): Promise<void> {
    let last = tail;
    for (let next = waiting.get(receivedBytes); next !== undefined; next = waiting.get(receivedBytes)) {
      waiting.delete(receivedBytes);
      waitingBytes -= next.length;
      last = enqueue(next);
    }
    return last;
  }

  return {
    get receivedBytes() {
      return receivedBytes;
    },
    get failure() {
      return failure;
    },
    refuse: (reason) => fail(partialUpload(reason)),
    async write(offset, data) {
      if (failure !== undefined) throw failure;
      if (data.length === 0) return;
      if (offset < receivedBytes) throw fail(partialUpload('bytes that were sent cannot be written again'));
      if (offset > receivedBytes && receivedBytes === 0 && isInPlace) throw fail(notResumable());
      if (offset > receivedBytes) return park(offset, data);
      enqueue(data);
      await enqueueParked();
    },
    async complete() {
      if (failure !== undefined) throw failure;
      if (waiting.size > 0) throw fail(partialUpload('the file was closed with a gap in it'));
      await tail;
      try {
        return await writer.finish();
      } catch (error) {
        isStoreBroken = true;
        throw fail(error as SftpFault);
      }
    },
    async cutOff() {
      waiting.clear();
      fail(partialUpload('the upload was cut off'));
      await tail.catch(() => undefined);
      if (isStoreBroken || (isInPlace && receivedBytes === 0)) {
        await writer.abandon();
        return undefined;
      }
      return writer.finish().catch(async () => {
        await writer.abandon();
        return undefined;
      });
    },
  };
}
