/** What one channel has open. A handle is four bytes that mean something on this channel only. */
import type { DirectoryListing } from './directory-listing.ts';
import type { Download } from './download.ts';
import type { ObjectHead } from './object-store.ts';
import { SFTP_STATUS, SftpFault } from './sftp-fault.ts';
import type { Upload } from './upload.ts';
import type { Location } from './user-root.ts';

export type OpenHandle =
  | {
      readonly kind: 'upload';
      readonly location: Location;
      readonly upload: Upload;
      readonly startedAt: Date;
      /** What the client said by setting the size of the open file. */
      announcedBytes: number;
    }
  | {
      readonly kind: 'download';
      readonly location: Location;
      readonly download: Download;
      readonly head: ObjectHead;
      readonly startedAt: Date;
    }
  | { readonly kind: 'directory'; readonly location: Location; readonly listing: DirectoryListing };

export type UploadHandle = Extract<OpenHandle, { kind: 'upload' }>;

export interface OpenHandles {
  readonly isEmpty: boolean;
  /** Resolves to the new handle's id. @throws SftpFault when too many are open, those on their way counted. */
  open(work: () => Promise<OpenHandle>): Promise<Buffer>;
  get(id: Buffer): OpenHandle;
  getOf<Kind extends OpenHandle['kind']>(id: Buffer, kind: Kind): Extract<OpenHandle, { kind: Kind }>;
  /** After this the handle is its caller's to end. */
  take(id: Buffer): OpenHandle;
  takeAll(): OpenHandle[];
}

export function createOpenHandles(maxHandles: number): OpenHandles {
  const handles = new Map<number, OpenHandle>();
  let lastId = 0;
  let opening = 0;

  function get(id: Buffer): OpenHandle {
    const handle = id.length === 4 ? handles.get(id.readUInt32BE()) : undefined;
    if (handle === undefined) throw new SftpFault(SFTP_STATUS.failure, 'NOT_SUPPORTED', 'this handle is not open');
    return handle;
  }

  return {
    get isEmpty() {
      return handles.size === 0;
    },
    async open(work) {
      if (handles.size + opening >= maxHandles) {
        throw new SftpFault(SFTP_STATUS.failure, 'DENIED', `at most ${maxHandles} files can be open at once`);
      }
      opening += 1;
      try {
        const handle = await work();
        lastId = (lastId + 1) >>> 0;
        handles.set(lastId, handle);
        const id = Buffer.alloc(4);
        id.writeUInt32BE(lastId);
        return id;
      } finally {
        opening -= 1;
      }
    },
    get,
    getOf<Kind extends OpenHandle['kind']>(id: Buffer, kind: Kind) {
      const handle = get(id);
      if (handle.kind !== kind) {
        throw new SftpFault(
          SFTP_STATUS.failure,
          'NOT_SUPPORTED',
          `this handle is open for ${handle.kind}, not ${kind}`,
        );
      }
      return handle as Extract<OpenHandle, { kind: Kind }>;
    },
    take(id) {
      const handle = get(id);
      handles.delete(id.readUInt32BE());
      return handle;
    },
    takeAll() {
      const all = [...handles.values()];
      handles.clear();
      return all;
    },
  };
}
