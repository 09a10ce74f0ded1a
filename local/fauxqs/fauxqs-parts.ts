/**
 * The parts of fauxqs that its package does not export, typed as far as they are used here.
 *
 * `startFauxqs` listens on every interface, takes any credentials and keeps S3 bodies in memory; none of it can be
 * turned off. `buildApp` leaves that to its caller but wants the stores, which only these modules make. The version is
 * pinned exactly, and `start-queue-server.test.ts` fails when they change.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { BuildAppOptions } from 'fauxqs';

type Stores = NonNullable<BuildAppOptions['stores']>;

interface PersistenceManager {
  readonly db: DatabaseSync;
  loadSqsAndSns(sqs: Stores['sqsStore'], sns: Stores['snsStore']): void;
  close(): void;
}

interface FauxqsParts {
  readonly PersistenceManager: new (directory: string) => PersistenceManager;
  readonly SqsStore: new () => Stores['sqsStore'];
  readonly SnsStore: new () => Stores['snsStore'];
  readonly S3Store: new () => Stores['s3Store'];
}

export async function loadFauxqsParts(): Promise<FauxqsParts> {
  const entry = import.meta.resolve('fauxqs');
  const paths = ['./persistence.js', './sqs/sqsStore.js', './sns/snsStore.js', './s3/s3Store.js'];
  const modules: object[] = await Promise.all(paths.map((path) => import(new URL(path, entry).href)));
  return Object.assign({}, ...modules) as FauxqsParts;
}
