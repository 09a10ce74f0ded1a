/** What one channel has open. A handle is four bytes that mean something on this channel only. */
import type { DirectoryListing } from './directory-listing.ts';
import type { Download } from './download.ts';
import type { GatewayLimits } from './limits.ts';
import type { ObjectHead } from './object-store.ts';
import { createPlaces, type Places } from './places.ts';
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
  /**
   * Resolves to the new handle's id; waits while too many are open, those on their way and those being stored counted.
   * @throws SftpFault when none of them is closed, nor used, for a while.
   */
  open(kind: OpenHandle['kind'], work: () => Promise<OpenHandle>): Promise<Buffer>;
  get(id: Buffer): OpenHandle;
  getOf<Kind extends OpenHandle['kind']>(id: Buffer, kind: Kind): Extract<OpenHandle, { kind: Kind }>;
  /** The upload that is open for this key, the last one begun. */
  findUpload(location: Location): UploadHandle | undefined;
  /** Ends the handle by `work`; only after that its place is free. */
  close(id: Buffer, work: (handle: OpenHandle) => Promise<void>): Promise<void>;
  /** Refuses what waits to be opened. */
  refuseWaiting(): void;
  takeAll(): OpenHandle[];
}

export function createOpenHandles({ maxHandles, maxUploads, openWaitMs: waitMs }: GatewayLimits): OpenHandles {
  const handles = new Map<number, OpenHandle>();
  const placesFor = (count: number, what: string): Places =>
    createPlaces({
      count,
      waitMs,
      refusal: () => new SftpFault(SFTP_STATUS.failure, 'DENIED', `at most ${count} ${what} can be open at once`),
    });
  const uploads = placesFor(maxUploads, 'uploads');
  const all = placesFor(maxHandles, 'files');
  let lastId = 0;

  function get(id: Buffer): OpenHandle {
    const handle = id.length === 4 ? handles.get(id.readUInt32BE()) : undefined;
    if (handle === undefined) throw new SftpFault(SFTP_STATUS.failure, 'NOT_SUPPORTED', 'this handle is not open');
    uploads.touch();
    all.touch();
    return handle;
  }

  /** Runs `work` in a place of each, and gives the places back if it fails. */
  async function inPlaces<T>(places: readonly Places[], work: () => Promise<T>): Promise<T> {
    const [first, ...rest] = places;
    if (first === undefined) return work();
    await first.take();
    try {
      return await inPlaces(rest, work);
    } catch (error) {
      first.leave();
      throw error;
    }
  }

  const placesOf = (kind: OpenHandle['kind']): Places[] => (kind === 'upload' ? [uploads, all] : [all]);

  return {
    get isEmpty() {
      return handles.size === 0;
    },
    open(kind, work) {
      return inPlaces(placesOf(kind), async () => {
        const handle = await work();
        lastId = (lastId + 1) >>> 0;
        handles.set(lastId, handle);
        const id = Buffer.alloc(4);
        id.writeUInt32BE(lastId);
        return id;
      });
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
    findUpload({ bucket, key }) {
      const isOfKey = (handle: OpenHandle): handle is UploadHandle =>
        handle.kind === 'upload' && handle.location.bucket === bucket && handle.location.key === key;
      return [...handles.values()].filter(isOfKey).at(-1);
    },
    async close(id, work) {
      const handle = get(id);
      handles.delete(id.readUInt32BE());
      try {
        await work(handle);
      } finally {
        for (const places of placesOf(handle.kind)) places.leave();
      }
    },
    refuseWaiting() {
      uploads.close();
      all.close();
    },
    takeAll() {
      const open = [...handles.values()];
      handles.clear();
      return open;
    },
  };
}
