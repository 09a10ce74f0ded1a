/**
 * `unpack`: the entries of the job's object become files.
 *
 * 1. The whole archive is looked at before the first entry is written: one that is at fault brings no file.
 * 2. All entries become files in one statement. Ids and places come from the step and the entry, so another try repeats them, and keeps
 *    the objects that an earlier one wrote.
 * 3. Entries stream: memory is flat whatever their size.
 */
import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import { type Archive, type ArchiveEntry, corrupt } from '#shared/content/archives/archive.ts';
import { openTar } from '#shared/content/archives/tar-archive.ts';
import { openZip } from '#shared/content/archives/zip-archive.ts';
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { compileGlobs } from '#shared/definitions/routes/match-glob.ts';
import { archiveKey } from '#shared/files/archive-object.ts';
import type { UploadedObject } from '#shared/files/object-store.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import { gunzip } from '#shared/formats/gunzip.ts';
import type { Product } from '#shared/jobs/register-products.ts';
import { messageGroupId } from '#shared/queue/message-group.ts';
import { JOB_METADATA, KEY_METADATA } from '../job-metadata.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import { currentName, factsOfFile } from '../step-keys.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type UnpackOptions, unpackOptions } from './options.ts';

type Context = StepContext<UnpackOptions>;

export const unpackStep: StepKind<UnpackOptions> = {
  kind: unpackOptions.kind,
  classOf: unpackOptions.classOf,
  run: (context) =>
    withStoreFailures('UNPACK_ERROR', async () => {
      const { job, options } = context;
      if (job.depth >= options.maxDepth) {
        const message = `The file was itself unpacked from an archive in an archive, ${job.depth} deep; the route unpacks ${options.maxDepth}.`;
        return failed('UNPACK_ERROR', 'ARCHIVE_TOO_DEEP', message);
      }
      try {
        return await unpack(context);
      } catch (error) {
        if (!(error instanceof FormatFault)) throw error;
        return failed('UNPACK_ERROR', error.code, `${error.message} ${error.hint}`);
      }
    }),
};

/** Entries of a zip that are written side by side. */
const SIDE_BY_SIDE = 4;
const MOST_TOLD = 20;

async function unpack(context: Context): Promise<StepOutcome> {
  const archive = await openArchive(context);
  const places = await placesOf(context, archive);
  const products = archive.isRandomAccess
    ? await writeSideBySide(context, archive, places)
    : await writeInOrder(context, archive, places);
  await context.products.register(products);
  const bytes = products.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const files = products.slice(0, MOST_TOLD).map(({ id, key, sizeBytes }) => ({ id, key, sizeBytes }));
  return { type: 'succeeded', output: { entries: products.length, bytes, files } };
}

async function openArchive(context: Context): Promise<Archive> {
  const { options, store, object, signal } = context;
  const within = { ifMatch: object.etag, signal };
  const format = options.format === 'auto' ? await formatOf(context) : options.format;
  const read = () => store.readStream(object, within);
  if (format === 'tar') return openTar(object.sizeBytes, read, options);
  const expanded = () => gunzip(read(), options);
  if (format === 'tgz') return openTar(object.sizeBytes, expanded, options);
  if (format === 'gz') return singleFile(currentName(context).replace(GZIP_EXTENSION, ''), expanded);
  const source = {
    sizeBytes: object.sizeBytes,
    readRange: (range: { first: number; last: number }) => store.readRange(object, range, within),
    streamRange: (range: { first: number; last: number }) => store.readStream(object, { ...within, range }),
  };
  return await openZip(source, options);
}

/** The name that gzip itself has for it is the sender's machine's, and often none. */
function singleFile(name: string, open: ArchiveEntry['open']): Archive {
  return {
    isRandomAccess: false,
    async *entries() {
      yield { name, open };
    },
  };
}

const TAR_MAGIC_AT = 257;
const GZIP_EXTENSION = /(?<=.)\.gz(?:ip)?$/i;
const TAR_IN_GZIP = /\.(?:tgz|taz|tar\.gz)$/i;

async function formatOf(context: Context): Promise<'zip' | 'tar' | 'tgz' | 'gz'> {
  const { store, object, signal } = context;
  if (object.sizeBytes === 0) throw corrupt('it is empty');
  const last = Math.min(object.sizeBytes, 512) - 1;
  const head = await store.readRange(object, { first: 0, last }, { ifMatch: object.etag, signal });
  if (head.subarray(0, 2).toString('latin1') === 'PK') return 'zip';
  if (head[0] === 0x1f && head[1] === 0x8b) return (await isTarInGzip(context)) ? 'tgz' : 'gz';
  if (isTar(head)) return 'tar';
  throw new FormatFault('ARCHIVE_UNSUPPORTED', 'The file is not a zip, tar, tgz or gz archive.');
}

/** Tars of the oldest programs have no mark: there the name counts. */
async function isTarInGzip(context: Context): Promise<boolean> {
  const { store, object, options, signal } = context;
  if (TAR_IN_GZIP.test(currentName(context))) return true;
  for await (const piece of gunzip(store.readStream(object, { ifMatch: object.etag, signal }), options))
    return isTar(piece);
  return false;
}

function isTar(beginning: Uint8Array): boolean {
  return Buffer.from(beginning.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5)).toString('latin1') === 'ustar';
}

/** The key of each entry that is taken, by its name: none is written before all of them are known to be good. */
async function placesOf(context: Context, archive: Archive): Promise<ReadonlyMap<string, string>> {
  const { options, file } = context;
  const template = compileNameTemplate(options.into);
  if (!template.ok) throw new FormatFault('KEY_REJECTED', `${template.message}.`);
  const directory = `${file.tenantId}/${template.render(factsOfFile(context))}`;
  const isTaken = options.only === undefined ? () => true : compileGlobs(options.only);
  const keys = new Map<string, string>();
  const used = new Set<string>();
  for await (const { name } of archive.entries()) {
    const path = name.replace(/^(?:\.\/)+/, '');
    const shown = JSON.stringify(name.slice(0, 200));
    if (path.startsWith('/') || path.split(/[\\/]/).includes('..') || /^[A-Za-z]:/.test(path))
      throw new FormatFault('ARCHIVE_SLIP', `The entry ${shown} of the archive points outside of it.`);
    const key = canonicalKey(`${directory}/${path}`, `${file.tenantId}/`);
    if (!key.ok)
      throw new FormatFault('ARCHIVE_SLIP', `The entry ${shown} has a name that may not be used: ${key.message}.`);
    if (used.has(key.key)) throw new FormatFault('ARCHIVE_DUPLICATE', `The archive has two entries ${shown}.`);
    used.add(key.key);
    if (isTaken(path)) keys.set(name, key.key);
  }
  return keys;
}

async function writeSideBySide(
  context: Context,
  archive: Archive,
  keys: ReadonlyMap<string, string>,
): Promise<Product[]> {
  const limit = pLimit(SIDE_BY_SIDE);
  const writing: Promise<Product>[] = [];
  for await (const entry of archive.entries()) {
    const key = keys.get(entry.name);
    if (key !== undefined) writing.push(limit(() => write(context, entry, key)));
  }
  try {
    return await Promise.all(writing);
  } catch (error) {
    limit.clearQueue();
    throw error;
  }
}

async function writeInOrder(context: Context, archive: Archive, keys: ReadonlyMap<string, string>): Promise<Product[]> {
  const products: Product[] = [];
  for await (const entry of archive.entries()) {
    const key = keys.get(entry.name);
    if (key !== undefined) products.push(await write(context, entry, key));
  }
  return products;
}

async function write(context: Context, entry: ArchiveEntry, key: string): Promise<Product> {
  const { store, file, job, idempotencyKey, bucketNames, signal } = context;
  signal.throwIfAborted();
  const { tenantId, receivedAt } = file;
  const name = key.slice(key.lastIndexOf('/') + 1);
  const id = productId(idempotencyKey, key);
  const target = { bucket: bucketNames.archive, key: archiveKey({ id, tenantId, name, receivedAt }) };
  const metadata = { [JOB_METADATA]: job.id, [KEY_METADATA]: idempotencyKey };
  const { sizeBytes: expectedBytes } = entry;
  const written =
    (await findEarlier(context, target, expectedBytes)) ??
    (await store.upload({
      ...{ target, body: entry.open(), metadata, signal },
      ...(expectedBytes !== undefined && { expectedBytes }),
    }));
  return {
    id,
    key,
    name,
    sizeBytes: written.sizeBytes,
    etag: written.etag,
    orderKey: messageGroupId(tenantId, key.slice(0, key.lastIndexOf('/') + 1)),
    archive: { ...target, versionId: written.versionId ?? '' },
  };
}

/** What an earlier try wrote: a second version would belong to no file, and stay for good. */
async function findEarlier(
  { store, step, idempotencyKey, signal }: Context,
  target: { readonly bucket: string; readonly key: string },
  expectedBytes: number | undefined,
): Promise<Pick<UploadedObject, 'versionId' | 'etag' | 'sizeBytes'> | undefined> {
  if (step.isFirstTry) return undefined;
  const head = await store.head(target, { signal });
  const isOurs =
    head !== 'not-found' &&
    head.metadata[KEY_METADATA] === idempotencyKey &&
    (expectedBytes === undefined || head.sizeBytes === expectedBytes);
  return isOurs ? head : undefined;
}

/** The same on every try (RFC 9562, version 8). */
function productId(idempotencyKey: string, key: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([idempotencyKey, key]))
    .digest('hex');
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
