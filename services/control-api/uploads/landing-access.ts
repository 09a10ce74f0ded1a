/**
 * What uploads and downloads work with: the landing bucket, and the way of its objects into the table.
 *
 * The clients of the object store are loaded by the first upload: a process that sees none does without their 20 MB.
 */
import { createTakeArrivals, type TakeArrivals } from '#shared/arrival/take-arrivals.ts';
import { createTenantDirectory, type TenantDirectory } from '#shared/arrival/tenant-directory.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { SentUploads } from '#shared/files/sent-uploads.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { WakeUpSenders } from '../operations/wake-up-senders.ts';
import type { ReachStoreOptions } from './reach-store.ts';

export interface LandingAccess {
  readonly bucket: string;
  /** Of the fleet's buckets. */
  readonly prefix: string;
  readonly store: Pick<ObjectStore, 'head' | 'upload' | 'readRange' | 'tags'>;
  readonly sent: SentUploads;
  readonly directory: TenantDirectory;
  readonly takeArrivals: TakeArrivals;
  /** Of parts that senders put; the least that an object needs is more. */
  readonly partBytes: number;
  /** A body from which nothing comes for so long is given up. */
  readonly stallMs: number;
  close(): Promise<void>;
}

export interface OpenLandingOptions {
  readonly s3: ReachStoreOptions['s3'];
  readonly prefix: string;
  /** The store as browsers and other senders reach it; the fleet's own address when absent. */
  readonly publicUrl: string | undefined;
  readonly sql: Sql;
  readonly senders: Pick<WakeUpSenders, 'wakeFiles'>;
  readonly logger: Logger;
  readonly partBytes?: number;
  readonly stallMs?: number;
}

const MIB = 1024 ** 2;
const STALL_MS = 30_000;

export function openLanding(options: OpenLandingOptions): LandingAccess {
  const { prefix, sql, senders, logger } = options;
  const bucket = bucketName(prefix, 'landing');
  const directory = createTenantDirectory({ sql });
  const load = async () => (await import('./reach-store.ts')).reachStore(options);
  let loading: ReturnType<typeof load> | undefined;
  const reached = () => {
    loading ??= load();
    return loading;
  };
  const arrivals = async (): Promise<TakeArrivals> =>
    createTakeArrivals({
      sql,
      store: (await reached()).store,
      directory,
      landingBucket: bucket,
      // What comes this way is whole when it is there.
      quietMs: 0,
      senders: {
        sendFiles: async (files) => {
          await senders.wakeFiles(files);
          return files.length;
        },
      },
      actor: 'control-api',
      logger,
    });
  let takeArrivals: Promise<TakeArrivals> | undefined;
  const arrivalsOnce = () => {
    takeArrivals ??= arrivals();
    return takeArrivals;
  };
  return {
    bucket,
    prefix,
    store: {
      head: async (...given) => (await reached()).store.head(...given),
      upload: async (...given) => (await reached()).store.upload(...given),
      tags: async (...given) => (await reached()).store.tags(...given),
      readRange: async (...given) => (await reached()).store.readRange(...given),
    },
    sent: {
      begin: async (...given) => (await reached()).sent.begin(...given),
      parts: async (...given) => (await reached()).sent.parts(...given),
      complete: async (...given) => (await reached()).sent.complete(...given),
      abort: async (...given) => (await reached()).sent.abort(...given),
      presignPart: async (...given) => (await reached()).sent.presignPart(...given),
      presignPut: async (...given) => (await reached()).sent.presignPut(...given),
      presignGet: async (...given) => (await reached()).sent.presignGet(...given),
    },
    directory,
    takeArrivals: async (...given) => await (await arrivalsOnce())(...given),
    partBytes: options.partBytes ?? 16 * MIB,
    stallMs: options.stallMs ?? STALL_MS,
    close: async () => (await loading)?.close(),
  };
}
