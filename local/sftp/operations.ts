/** What each SFTP request does, as a reply or a thrown `SftpFault`; knows nothing of packets and channels. */
import type { Attributes } from 'ssh2';
import { canonicalPath } from './canonical-path.ts';
import type { DirectoryEntry } from './directory-listing.ts';
import { POSIX_RENAME, parsePosixRename } from './extended-request.ts';
import { directoryAttributes, fileAttributes } from './file-attributes.ts';
import { openFile } from './open-file.ts';
import type { OpenHandles } from './open-handles.ts';
import type { SessionContext } from './session-context.ts';
import { closeUpload } from './settle-upload.ts';
import { denied, SFTP_STATUS, SftpFault, unsupported } from './sftp-fault.ts';
import { renameCompleted } from './transfer-event.ts';

export type Reply =
  | { readonly kind: 'ok' }
  | { readonly kind: 'end-of-file' }
  | { readonly kind: 'handle'; readonly id: Buffer }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'names'; readonly entries: DirectoryEntry[] }
  | { readonly kind: 'attributes'; readonly attributes: Attributes };

const OK: Reply = { kind: 'ok' };
const END_OF_FILE: Reply = { kind: 'end-of-file' };

export function createOperations(context: SessionContext, handles: OpenHandles) {
  const { tree, root, flow, metrics, logger, journal } = context;

  async function rename(from: string, to: string, mayReplace: boolean): Promise<Reply> {
    const startedAt = new Date();
    const renamed = await tree.rename(from, to, mayReplace);
    const { bucket, key: fromKey } = renamed.from;
    const keys = { bucket, fromKey, toKey: renamed.to.key };
    if (keys.fromKey !== keys.toKey)
      journal.append(renameCompleted({ ...context, startedAt, endedAt: new Date() }, keys));
    logger.info({ path: renamed.from.path, newPath: renamed.to.path }, 'file renamed');
    return OK;
  }

  return {
    async open(path: string, flags: number): Promise<Reply> {
      return { kind: 'handle', id: await handles.open(() => openFile(context, path, flags)) };
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
      const handle = handles.take(id);
      if (handle.kind === 'upload') await closeUpload(context, handle);
      if (handle.kind === 'download') {
        const { location, download, startedAt } = handle;
        const durationMs = Date.now() - startedAt.getTime();
        logger.info({ path: location.path, bytes: download.sentBytes, durationMs }, 'file downloaded');
      }
      return OK;
    },
    async openDirectory(path: string): Promise<Reply> {
      const id = await handles.open(async () => {
        const listing = await tree.list(path);
        return { kind: 'directory', location: root.locate(path), listing };
      });
      return { kind: 'handle', id };
    },
    async readDirectory(id: Buffer): Promise<Reply> {
      const entries = await handles.getOf(id, 'directory').listing.next();
      return entries === undefined ? END_OF_FILE : { kind: 'names', entries };
    },
    async stat(path: string): Promise<Reply> {
      return { kind: 'attributes', attributes: await tree.attributes(path) };
    },
    async statHandle(id: Buffer): Promise<Reply> {
      const handle = handles.get(id);
      const { isWritable } = handle.location;
      if (handle.kind === 'directory') return { kind: 'attributes', attributes: directoryAttributes({ isWritable }) };
      const file =
        handle.kind === 'download'
          ? { ...handle.head, isWritable }
          : { sizeBytes: handle.upload.receivedBytes, modifiedAt: handle.startedAt, isWritable };
      return { kind: 'attributes', attributes: fileAttributes(file) };
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
      const filename = canonicalPath(path);
      const attrs = directoryAttributes({ isWritable: true });
      return { kind: 'names', entries: [{ filename, longname: filename, attrs }] };
    },
    async makeDirectory(path: string): Promise<Reply> {
      await tree.makeDirectory(path);
      return OK;
    },
    async removeDirectory(path: string): Promise<Reply> {
      await tree.removeDirectory(path);
      return OK;
    },
    async remove(path: string): Promise<Reply> {
      const location = await tree.removeFile(path);
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
