/**
 * The rejected rows of a file, written for its sender while the file is read.
 *
 * 1. Nothing is written unless a row was rejected; nothing shows under the name before the file was read to its end.
 * 2. Memory is flat: the reader waits while the upload cannot take more.
 * 3. Whatever ends the parse, no upload stays open.
 */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { WrittenObject } from '#shared/files/object-store.ts';
import type { RecordItem } from '#shared/formats/records/record-item.ts';
import { inPieces } from '#shared/formats/records/source-pieces.ts';
import { type RejectsLayout, writeRejectReasons, writeRejects } from '#shared/formats/records/write-rejects.ts';
import { JOB_METADATA, KEY_METADATA } from '../job-metadata.ts';
import type { StepContext } from '../step-context.ts';

export interface WrittenRejects {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
  /** Fixed width: of a CSV with the reasons, as the records have no room for them. */
  readonly reasonsKey?: string;
  readonly reasonsVersionId?: string | undefined;
}

export interface RejectsUpload {
  /** Items other than rows, in their order. @throws when what came before could not be written. */
  take(items: readonly RecordItem[]): Promise<void>;
  /** Undefined when nothing was rejected. */
  finish(): Promise<WrittenRejects | undefined>;
  /** When nothing is open any more; for a parse that failed with `reason`, after `finish` without effect. */
  abandon(reason: unknown): Promise<void>;
}

/** Handed to an upload before the reader waits for it. */
const ITEMS_AHEAD = 64;

interface Upload {
  readonly feed: PassThrough;
  readonly done: Promise<WrittenObject>;
}

export function uploadRejects(context: StepContext<unknown>, layout: RejectsLayout, key: string): RejectsUpload {
  const bucket = context.bucketNames.outbound;
  const reasonsKey = layout.format === 'fixed' ? `${key}.reasons.csv` : undefined;
  /** What is before the first rejected row. */
  const beginning: RecordItem[] = [];
  let uploads: readonly Upload[] | undefined;

  function start(target: string, write: (items: AsyncIterable<RecordItem>) => AsyncGenerator<Buffer>): Upload {
    const feed = new PassThrough({ objectMode: true, highWaterMark: ITEMS_AHEAD });
    // Of a feed that was destroyed after its reader had gone.
    feed.on('error', () => {});
    const done = context.store.upload({
      target: { bucket, key: target },
      body: inPieces(write(feed)),
      metadata: { [JOB_METADATA]: context.job.id, [KEY_METADATA]: context.idempotencyKey },
      signal: context.signal,
    });
    // Met by `take` and `finish`; an upload can fail while neither waits for it.
    done.catch(() => {});
    return { feed, done };
  }

  function startAll(): readonly Upload[] {
    const rejects = start(key, (items) => writeRejects(items, layout));
    return reasonsKey === undefined ? [rejects] : [rejects, start(reasonsKey, writeRejectReasons)];
  }

  return {
    async take(items) {
      if (uploads === undefined) {
        beginning.push(...items);
        if (!items.some(({ type }) => type === 'rejected')) return;
        uploads = startAll();
        await Promise.all(uploads.map((upload) => hand(upload, beginning)));
      } else {
        await Promise.all(uploads.map((upload) => hand(upload, items)));
      }
    },
    async finish() {
      if (uploads === undefined) return undefined;
      for (const { feed } of uploads) feed.end();
      const [rejects, reasons] = await Promise.all(uploads.map(({ done }) => done));
      const named = reasonsKey === undefined ? {} : { reasonsKey, reasonsVersionId: reasons?.versionId };
      return { bucket, key, versionId: rejects?.versionId, ...named };
    },
    async abandon(reason) {
      const error = reason instanceof Error ? reason : new Error('the parse failed', { cause: reason });
      for (const { feed } of uploads ?? []) feed.destroy(error);
      await Promise.allSettled((uploads ?? []).map(({ done }) => done));
    },
  };
}

async function hand({ feed, done }: Upload, items: readonly RecordItem[]): Promise<void> {
  for (const item of items) {
    // An upload that failed takes nothing more, makes no room either, and breaks its feed off: it knows why.
    if (!feed.write(item)) await Promise.race([once(feed, 'drain').catch(() => done), done]);
  }
}
