/**
 * What each service may touch, in the words of its code: queues it takes from and sends to, calls of the object store by bucket. The
 * task roles are made from this; `service-access.test.ts` compares it with the sources.
 */
import {
  BUCKET_IDS,
  type BucketId,
  LONG_QUEUE_IDS,
  QUEUE_IDS,
  type QueueId,
  STEP_QUEUE_IDS,
  WORK_QUEUE_IDS,
} from '#shared/runtime/config/resource-names.ts';
import type { ServiceName } from './service-catalogue.ts';

/** As in `shared/files/object-store.ts`, grouped by what S3 calls them. */
export type ObjectUse =
  | 'read'
  | 'read-tags'
  | 'write'
  | 'delete-version'
  | 'list-versions'
  | 'list-uploads'
  | 'abort-upload'
  | 'list-parts'
  | 'restore';

/** What an address is called for; the variable takes networks that may be private. */
export const REACH_VARIABLES = {
  partners: 'LONGSHORE_PARTNER_ADDRESSES',
  stores: 'LONGSHORE_STORE_ADDRESSES',
  remotes: 'LONGSHORE_REMOTE_ADDRESSES',
  notices: 'LONGSHORE_NOTICE_ADDRESSES',
} as const;

export type Reach = keyof typeof REACH_VARIABLES | 'mail' | 'scanner';

export interface ServiceAccess {
  readonly takes: readonly QueueId[];
  readonly takesDeadLetters: boolean;
  readonly sends: readonly QueueId[];
  /** Asks all queues and DLQs for their counts. */
  readonly counts: boolean;
  readonly publishes: boolean;
  readonly objects: Readonly<Partial<Record<BucketId, readonly ObjectUse[]>>>;
  /** Those of tenants, below the prefix of `LONGSHORE_SECRETS_PREFIX`. */
  readonly readsSecrets: boolean;
  /** Signs receipts, or publishes the keys of them. */
  readonly usesReceiptKeys: boolean;
  /** Sends mails of campaigns through Amazon SES. */
  readonly sendsMails: boolean;
  /** Review and unsubscribe links: reads the pages of them, or writes them too. */
  readonly links: 'none' | 'reads' | 'writes';
  /** What it calls beyond AWS. */
  readonly reaches: readonly Reach[];
  /** Asks ECS not to end its task while it is busy. */
  readonly protectsItself: boolean;
  /** `owner` makes and drops partitions; the others read and write rows. */
  readonly databaseUser: 'longshore_owner' | 'longshore_app';
}

const WORKER_OBJECTS: ServiceAccess['objects'] = {
  // GuardDuty's results are tags.
  landing: ['read', 'read-tags', 'delete-version'],
  staging: ['read', 'read-tags', 'write', 'delete-version', 'list-versions'],
  delivered: ['read', 'write', 'delete-version', 'list-versions'],
  archive: ['read', 'read-tags', 'write', 'delete-version', 'list-versions'],
  outbound: ['read', 'write', 'delete-version', 'list-versions'],
};

/** What has expired is deleted wherever it is, and uploads that nobody ends. */
const EXPIRES: readonly ObjectUse[] = ['read', 'delete-version', 'list-uploads', 'abort-upload', 'list-parts'];
const SWEEPER_OBJECTS: ServiceAccess['objects'] = {
  landing: ['read', 'delete-version', 'list-versions', 'abort-upload', 'list-parts'],
  archive: [...EXPIRES, 'restore'],
  evidence: ['write', 'list-uploads', 'abort-upload', 'list-parts'],
};

const NOTHING: ServiceAccess = {
  takes: [],
  takesDeadLetters: false,
  sends: [],
  counts: false,
  publishes: false,
  objects: {},
  readsSecrets: false,
  usesReceiptKeys: false,
  sendsMails: false,
  links: 'none',
  reaches: [],
  protectsItself: false,
  databaseUser: 'longshore_app',
};

export const SERVICE_ACCESS: Readonly<Record<ServiceName, ServiceAccess>> = {
  ingestor: {
    ...NOTHING,
    takes: ['landing', 'landing-overflow', 'mail-events'],
    sends: ['landing-overflow', 'ingest'],
    objects: { landing: ['read', 'list-versions'] },
  },
  router: {
    ...NOTHING,
    takes: ['ingest'],
    sends: WORK_QUEUE_IDS,
    // Where a route asks for the content or the tags of a file; those that steps made are in the archive.
    objects: { landing: ['read', 'read-tags'], archive: ['read', 'read-tags'] },
  },
  'partner-worker': {
    ...NOTHING,
    takes: STEP_QUEUE_IDS,
    sends: WORK_QUEUE_IDS,
    objects: WORKER_OBJECTS,
    readsSecrets: true,
    usesReceiptKeys: true,
    sendsMails: true,
    links: 'writes',
    reaches: ['partners', 'stores', 'remotes', 'mail', 'scanner'],
  },
  'large-file-worker': {
    ...NOTHING,
    takes: LONG_QUEUE_IDS,
    sends: WORK_QUEUE_IDS,
    objects: {
      ...WORKER_OBJECTS,
      // What it fetches from remotes goes there.
      landing: ['read', 'read-tags', 'write', 'delete-version', 'list-versions', 'list-parts', 'abort-upload'],
    },
    // The credentials of external stores.
    readsSecrets: true,
    usesReceiptKeys: true,
    reaches: ['partners', 'stores', 'remotes', 'mail', 'scanner'],
    protectsItself: true,
  },
  'retry-sweeper': {
    ...NOTHING,
    takesDeadLetters: true,
    sends: ['ingest', ...WORK_QUEUE_IDS],
    counts: true,
    publishes: true,
    objects: Object.fromEntries(BUCKET_IDS.map((bucket) => [bucket, SWEEPER_OBJECTS[bucket] ?? EXPIRES])),
    // What tenants want to be told goes to addresses of theirs.
    readsSecrets: true,
    links: 'writes',
    reaches: ['stores', 'notices', 'mail'],
    databaseUser: 'longshore_owner',
  },
  'control-api': {
    ...NOTHING,
    sends: [...QUEUE_IDS],
    counts: true,
    // What is sent over HTTP, templates of mails, and what presigned URLs give to read.
    objects: {
      landing: ['read', 'read-tags', 'write', 'list-versions'],
      staging: ['read', 'write'],
      archive: ['read', 'read-tags'],
      delivered: ['read'],
      outbound: ['read'],
    },
    // The secrets of chats, of the provider, of the mail server and of partners and remotes that a person tests.
    readsSecrets: true,
    usesReceiptKeys: true,
    // Tests of campaigns.
    sendsMails: true,
    links: 'writes',
    reaches: ['partners', 'remotes', 'mail'],
  },
};
