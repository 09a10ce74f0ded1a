/**
 * The client that lib-storage's `Upload` is given, so that its multipart upload is in a transfer's log.
 *
 * 1. An upload is known to the log before its first part is sent; one that an earlier try left is aborted first.
 * 2. Completing and aborting are written before they are done; without the log's word neither is done. An abort that fails does not hide
 *    why the upload did: the sweeper aborts what is left.
 * 3. A part is sent as those of copies are: as slowly as its line, and again on its own when it failed for a passing reason.
 * 4. What fits in one request makes no multipart upload, and nothing is written of it.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandOutput,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { storeCall } from '#shared/files/classify-store-error.ts';
import { abortable, nameOf } from '#shared/files/read-object.ts';
import { repeatPart } from './copy-part.ts';
import { countSent } from './count-part-bytes.ts';
import { abortUpload } from './multipart-upload.ts';
import { partChecksum } from './part-checksum.ts';
import { ProgressWriter } from './progress-writer.ts';
import { StallWatch, watchedStallMs } from './stall-watch.ts';
import type { TransferFacts, TransferLog } from './transfer-log.ts';

export interface LoggedUploadOptions {
  /** For parts. */
  readonly partClient: S3Client;
  readonly stallMs: number;
  readonly log: TransferLog | undefined;
  readonly facts: TransferFacts;
  /** The log says no, or cannot be asked: the upload has to end. */
  readonly onFailure: (error: unknown) => void;
  readonly onPart?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LoggedUpload {
  readonly client: S3Client;
  /** The object is there. */
  done(): Promise<void>;
  /** Nothing more is told, however it ended. */
  end(): Promise<void>;
}

export function logUpload(client: S3Client, options: LoggedUploadOptions): LoggedUpload {
  const { partClient, stallMs, log, facts, onPart } = options;
  const ended = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal;
  const onFailure = (error: unknown): void => {
    ended.abort(error);
    options.onFailure(error);
  };
  const doing = `upload to ${nameOf(facts.target)}`;
  const watch = new StallWatch({ afterMs: watchedStallMs(stallMs), doing, onStall: onFailure });
  let progress: ProgressWriter | undefined;

  async function create(command: CreateMultipartUploadCommand): Promise<CreateMultipartUploadCommandOutput> {
    if (log === undefined) return await client.send(command);
    const left = await log.begin(facts);
    if (left !== undefined) {
      await log.aborting();
      await abortUpload(client, { ...left.target, uploadId: left.uploadId }, { signal });
    }
    const reply = await client.send(command);
    const uploadId = reply.UploadId ?? '';
    try {
      await log.created(facts, uploadId);
    } catch (error) {
      // Known to nobody else, so nobody else can be at work on it.
      await abortUpload(client, { ...facts.target, uploadId }).catch(() => {});
      throw error;
    }
    progress = new ProgressWriter({ log, bytesBefore: 0, onLost: onFailure });
    return reply;
  }

  async function sendPart({ input }: UploadPartCommand): Promise<unknown> {
    const { PartNumber: number = 0 } = input;
    const body = input.Body as Uint8Array;
    const counting = countSent(partClient, (bytes) => {
      watch.moved(number, bytes);
      progress?.moved(number, bytes);
    });
    const checked = { ...input, ChecksumCRC64NVME: await partChecksum('CRC64NVME', body) };
    const reply = await watch.during(number, () =>
      repeatPart(signal, () =>
        storeCall(`${doing}, part ${number}`, signal, () =>
          counting.send(new UploadPartCommand(checked), abortable(signal)),
        ),
      ),
    );
    progress?.passed(number, body.byteLength);
    onPart?.(body.byteLength);
    return reply;
  }

  async function abort(command: AbortMultipartUploadCommand): Promise<unknown> {
    try {
      await progress?.end();
      await log?.aborting();
      await client.send(command);
      await log?.aborted();
    } catch {}
    return {};
  }

  async function answer(command: Parameters<S3Client['send']>[0]): Promise<unknown> {
    if (command instanceof AbortMultipartUploadCommand) return await abort(command);
    try {
      if (command instanceof CreateMultipartUploadCommand) return await create(command);
      if (command instanceof UploadPartCommand) return await sendPart(command);
      if (command instanceof CompleteMultipartUploadCommand) {
        await progress?.end();
        await log?.completing();
      }
      return await client.send(command);
    } catch (error) {
      onFailure(error);
      throw error;
    }
  }

  return {
    client: Object.create(client, { send: { value: answer } }),
    async done() {
      if (progress !== undefined) await log?.done();
    },
    async end() {
      watch.stop();
      await progress?.end();
    },
  };
}
