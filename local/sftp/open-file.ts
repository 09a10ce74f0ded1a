/** Opens a file for an upload or a download, by the flags of an SFTP version 3 OPEN request. */
import { createDownload } from './download.ts';
import { headObject, probePrefix } from './object-store.ts';
import { createObjectWriter } from './object-writer.ts';
import type { OpenHandle } from './open-handles.ts';
import type { SessionContext } from './session-context.ts';
import { conflict, noSuchFile, notResumable, unsupported } from './sftp-fault.ts';
import { downloadFailed } from './transfer-event.ts';
import { createUpload } from './upload.ts';

const FLAG = { write: 0x02, append: 0x04, create: 0x08, truncate: 0x10, exclusive: 0x20 } as const;

export function isForWriting(flags: number): boolean {
  return (flags & FLAG.write) !== 0;
}

export async function openFile(context: SessionContext, rawPath: string, flags: number): Promise<OpenHandle> {
  return isForWriting(flags) ? openForWriting(context, rawPath, flags) : openForReading(context, rawPath);
}

async function openForReading(context: SessionContext, rawPath: string): Promise<OpenHandle> {
  const { store, root, tree, journal } = context;
  const startedAt = new Date();
  const wanted = root.locate(rawPath);
  const node = await tree.look(wanted);
  if (node.kind === 'nothing') {
    journal.append(downloadFailed({ ...context, startedAt, endedAt: new Date() }, wanted));
    throw noSuchFile();
  }
  if (node.kind === 'directory') throw unsupported('this is a directory');
  const { location, head } = node;
  return { kind: 'download', location, head, download: createDownload(store, location, head), startedAt };
}

/** A file opened for reading and writing is taken for an upload: that is how some libraries create files. */
async function openForWriting(context: SessionContext, rawPath: string, flags: number): Promise<OpenHandle> {
  const { store, root, metadata, partSizeBytes, journal } = context;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const location = root.locateForWriting(rawPath);
  if ((await probePrefix(store, location)) !== 'nothing') throw conflict('a directory of that name exists');

  const replacesAnything = has(FLAG.create) && has(FLAG.truncate) && !has(FLAG.exclusive);
  let replacedBytes = 0;
  if (!replacesAnything) {
    const existing = await headObject(store, location);
    if (existing === undefined && !has(FLAG.create)) throw noSuchFile();
    if (existing !== undefined && has(FLAG.exclusive)) throw conflict('a file of that name exists');
    if (existing !== undefined && !has(FLAG.truncate)) replacedBytes = existing.sizeBytes;
    if (replacedBytes > 0 && (has(FLAG.append) || !has(FLAG.create))) throw notResumable();
  }
  const target = { bucket: location.bucket, key: location.key };
  const writer = createObjectWriter({
    client: store,
    target,
    metadata,
    partSizeBytes,
    openUploads: journal.openUploads,
  });
  const upload = createUpload(writer, { isInPlace: replacedBytes > 0 });
  // `scp` writes over an old file in place and sets the size at the end: until then the file is at least as long as the old one.
  return { kind: 'upload', location, upload, startedAt: new Date(), announcedBytes: replacedBytes };
}
