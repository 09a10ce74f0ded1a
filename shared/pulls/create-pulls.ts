/** The engines of pulls and of sources, for the worker that takes them. */
import type { Sql } from '#shared/db/connect-database.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import type { RemoteDirectory } from '#shared/remotes/remote-directory.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { createSourceLister, type SourceLister } from './list-sources.ts';
import type { PullMetrics } from './pull-metrics.ts';
import { createPullRunner, type PullRunner } from './run-pulls.ts';

export interface Pulls {
  readonly runner: PullRunner;
  readonly lister: SourceLister;
}

export interface PullsOptions {
  readonly sql: Sql;
  readonly remotes: RemoteDirectory;
  readonly store: Pick<ObjectStore, 'pull'>;
  readonly landingBucket: string;
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  readonly deadlineMs: number;
  readonly metrics: PullMetrics;
  readonly logger: Logger;
}

export function createPulls({ store, landingBucket, ...parts }: PullsOptions): Pulls {
  return { runner: createPullRunner({ ...parts, store, landingBucket }), lister: createSourceLister(parts) };
}
