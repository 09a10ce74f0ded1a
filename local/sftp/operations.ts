/** What each SFTP request does, as a reply or a thrown `SftpFault`; knows nothing of packets and channels. */
import type { LimitFunction } from 'p-limit';
import type { Attributes } from 'ssh2';
import { canonicalPath } from './canonical-path.ts';
import type { DirectoryEntry } from './directory-listing.ts';
import { POSIX_RENAME, parsePosixRename } from './extended-request.ts';
import { directoryAttributes, fileAttributes } from './file-attributes.ts';
import { isForWriting, openFile } from './open-file.ts';
import type { OpenHandle, OpenHandles, UploadHandle } from './open-handles.ts';
import type { SessionContext } from './session-context.ts';
import { closeUpload } from './settle-upload.ts';
import { denied, SFTP_STATUS, SftpFault, unsupported } from './sftp-fault.ts';
import { directoryChanged, downloadCompleted, fileDeleted, renameCompleted } from './transfer-event.ts';

export type Reply =
  | { readonly kind: 'ok' }
  | { readonly kind: 'end-of-file' }
  | { readonly kind: 'handle'; readonly id: Buffer }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'names'; readonly entries: DirectoryEntry[] }
  | { readonly kind: 'attributes'; readonly attributes: Attributes };

const OK: Reply = { kind: 'ok' };
const END_OF_FILE: Reply = { kind: 'end-of-file' };

/** Even an empty upload counts as so many bytes until it is stored, so that many small ones slow their client down too. */
const MIN_UPLOAD_BYTES = 256 * 1_024;

/** `limit` bounds the channel's requests to the object store. */
export function createOperations(context: SessionContext, handles: OpenHandles, limit: LimitFunction) {
  const { tree, root, flow, metrics, logger, journal, partSizeBytes } = context;

  const acted = (startedAt: Date) => ({ ...context, startedAt, endedAt: new Date() });

  async function rename(from: string, to: string, mayReplace: boolean): Promise<Reply> {
    const startedAt = new Date();
    const renamed = await tree.rename(from, to, mayReplace);
    const { bucket, key: fromKey } = renamed.from;
    const keys = { bucket, fromKey, toKey: renamed.to.key };
    if (keys.fromKey !== keys.toKey) journal.append(renameCompleted(acted(startedAt), keys));
    logger.info({ path: renamed.from.path, newPath: renamed.to.path }, 'file renamed');
    return OK;
  }

  return {
    async open(path: string, flags: number): Promise<Reply> {
      const kind = isForWriting(flags) ? 'upload' : 'download';
      return { kind: 'handle', id: await handles.open(kind, () => limit(() => openFile(context, path, flags))) };
    },
    async read(id: Buffer, offset: number, length: number): Promise<Reply> {
      const bytes = await handles.getOf(id, 'download').download.read(offset, length);
      metrics.sentBytes.inc(bytes.length);
      return bytes.length === 0 ? END_OF_FILE : { kind: 'data', bytes };
    },
    async write(id: Buffer, offset: number, data: Buffer): Promise<Reply> {
      const { upload } = handles.getOf(id, 'upload');
      metrics.receivedBytes.inc(data.length);
      await flow.holding(data.length, upload.write(offset, data));
      return OK;
    },
    async close(id: Buffer): Promise<Reply> {
      await handles.close(id, async (handle) => {
        if (handle.kind === 'upload') {
          const unstoredBytes = Math.max(MIN_UPLOAD_BYTES, Math.min(handle.upload.receivedBytes, partSizeBytes));
          await flow.holding(unstoredBytes, closeUpload(context, handle));
        }
        if (handle.kind === 'download') {
          const { location, download, startedAt } = handle;
          const durationMs = Date.now() - startedAt.getTime();
          journal.append(downloadCompleted(acted(startedAt), { ...location, bytes: download.sentBytes }));
          logger.info({ path: location.path, bytes: download.sentBytes, durationMs }, 'file downloaded');
        }
      });
      return OK;
    },
    async openDirectory(path: string): Promise<Reply> {
      const list = async (): Promise<OpenHandle> => {
        const listing = await tree.list(path);
        return { kind: 'directory', location: root.locate(path), listing };
      };
      const id = await handles.open('directory', () => limit(list));
      return { kind: 'handle', id };
    },
    async readDirectory(id: Buffer): Promise<Reply> {
      const entries = await handles.getOf(id, 'directory').listing.next();
      return entries === undefined ? END_OF_FILE : { kind: 'names', entries };
    },
    async stat(path: string): Promise<Reply> {
      // Of its own upload a client expects to see the size, as of a file that grows.
      const upload = handles.findUpload(root.locate(path));
      return { kind: 'attributes', attributes: upload === undefined ? await tree.attributes(path) : growing(upload) };
    },
    async statHandle(id: Buffer): Promise<Reply> {
      const handle = handles.get(id);
      const { isWritable } = handle.location;
      if (handle.kind === 'directory') return { kind: 'attributes', attributes: directoryAttributes({ isWritable }) };
      if (handle.kind === 'upload') return { kind: 'attributes', attributes: growing(handle) };
      return { kind: 'attributes', attributes: fileAttributes({ ...handle.head, isWritable }) };
    },
    /** Times and modes are taken without effect, as an object has neither; clients set them after each upload. */
    async setStat(path: string, attributes: Partial<Attributes>): Promise<Reply> {
      root.locateForWriting(path);
      if (attributes.size !== undefined) throw unsupported('a file cannot be truncated');
      return OK;
    },
    async setStatHandle(id: Buffer, { size }: Partial<Attributes>): Promise<Reply> {
      const handle = handles.getOf(id, 'upload');
      if (size !== undefined && size < handle.upload.receivedBytes) throw unsupported('a file cannot be truncated');
      handle.announcedBytes = size ?? handle.announcedBytes;
      return OK;
    },
    async realPath(path: string): Promise<Reply> {
      const filename = canonicalPath(path, { endsAtRoot: true });
      const attrs = directoryAttributes({ isWritable: true });
      return { kind: 'names', entries: [{ filename, longname: filename, attrs }] };
    },
    async makeDirectory(path: string): Promise<Reply> {
      const startedAt = new Date();
      const made = await tree.makeDirectory(path);
      journal.append(directoryChanged(acted(startedAt), 'Create', made));
      return OK;
    },
    async removeDirectory(path: string): Promise<Reply> {
      const startedAt = new Date();
      const removed = await tree.removeDirectory(path);
      journal.append(directoryChanged(acted(startedAt), 'Delete', removed));
      return OK;
    },
    async remove(path: string): Promise<Reply> {
      const startedAt = new Date();
      const location = await tree.removeFile(path);
      journal.append(fileDeleted(acted(startedAt), location));
      logger.info({ path: location.path }, 'file removed');
      return OK;
    },
    rename: (from: string, to: string): Promise<Reply> => rename(from, to, false),
    async refuseLink(): Promise<Reply> {
      throw denied('there are no links here');
    },
    async extended(name: string, data: Buffer | undefined): Promise<Reply> {
      if (name === 'hardlink@openssh.com') throw denied('there are no links here');
      if (name !== POSIX_RENAME) throw unsupported('this extension is not offered');
      const names = parsePosixRename(data);
      if (names === undefined) {
        throw new SftpFault(SFTP_STATUS.badMessage, 'NOT_SUPPORTED', 'the request is malformed');
      }
      return rename(names.from, names.to, true);
    },
  };
}

function growing({ upload, startedAt, location: { isWritable } }: UploadHandle): Attributes {
  return fileAttributes({ sizeBytes: upload.receivedBytes, modifiedAt: startedAt, isWritable });
}
