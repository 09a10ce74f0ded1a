/** For tests: a store on the local S3 server, and contexts for steps as the worker would build them. */
import { Counter, Registry } from 'prom-client';
import type { EffectStage } from '#shared/db/schema.ts';
import type { EffectFacts, EffectLog } from '#shared/effects/effect-log.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { ObjectStore } from '#shared/files/object-store.ts';
import { BUCKET_IDS, type BucketId, bucketName } from '#shared/runtime/config/resource-names.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import type { ProductLog, StepContext, StepKind, TextIndex } from '#shared/steps/step-context.ts';
import type { StepOptionsKind } from '#shared/steps/step-options.ts';
import type { StepOutcome } from '#shared/steps/step-outcome.ts';
import type { StepTargets } from '#shared/targets/step-targets.ts';
import { type S3TestServer, startTestServer } from '#testkit/servers/s3-server.ts';

const MIB = 1024 ** 2;

export interface StepBench {
  readonly s3: S3TestServer;
  readonly store: ObjectStore;
  readonly bucketNames: Readonly<Record<BucketId, string>>;
  /** Puts a file into landing, under the tenant `acme` when none is named. */
  land(path: string, body: Uint8Array | string, tenantId?: string): Promise<ObjectLocation>;
  read(place: {
    readonly bucket: string;
    readonly key: string;
    readonly versionId?: string | undefined;
  }): Promise<Buffer>;
  openUploads(): Promise<number>;
  /** Requests sent since the last call, by operation. */
  requestsSince(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

export async function startStepBench(): Promise<StepBench> {
  const s3 = await startTestServer();
  const bucketNames = Object.fromEntries(BUCKET_IDS.map((id) => [id, bucketName('test', id)])) as Record<
    BucketId,
    string
  >;
  for (const name of [...Object.values(bucketNames), 'partners-own']) s3.server.createBucket(name);
  const labels = {
    name: 'longshore_s3_requests_total',
    help: 'test',
    labelNames: ['operation'] as const,
    registers: [new Registry()],
  };
  const requests = new Counter(labels);
  const store = createObjectStore({
    client: s3.client,
    copyPartBytes: 5 * MIB,
    uploadPartBytes: 5 * MIB,
    metrics: { requests },
  });
  return {
    s3,
    store,
    bucketNames,
    async land(path, body, tenantId = 'acme') {
      const target = { bucket: bucketNames.landing, key: `${tenantId}/${path}` };
      const written = await store.put({ target, body, contentType: 'text/plain' });
      return { ...target, versionId: written.versionId, etag: written.etag, sizeBytes: Buffer.byteLength(body) };
    },
    async read(place) {
      const pieces: Uint8Array[] = [];
      for await (const piece of store.readStream(place)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    async openUploads() {
      const pages = await Promise.all(
        Object.values(bucketNames).map((bucket) => store.listMultipartUploads({ bucket })),
      );
      return pages.flatMap(({ items }) => items).length;
    },
    async requestsSince() {
      const { values } = await requests.get();
      requests.reset();
      return Object.fromEntries(values.map(({ labels: { operation }, value }) => [operation, value]));
    },
    stop: () => s3.stop(),
  };
}

export interface StepToRun<Options> {
  readonly step: StepKind<Options>;
  readonly kind: StepOptionsKind<Options>;
  /** As a route file says it. */
  readonly options?: unknown;
  readonly object: ObjectLocation;
  readonly jobId?: string;
  readonly isLarge?: boolean;
  readonly timeZone?: string;
  readonly isFirstTry?: boolean;
  readonly isReleased?: boolean;
  readonly held?: Readonly<Record<string, unknown>>;
  readonly depth?: number;
  readonly products?: ProductLog;
  readonly texts?: TextIndex;
  readonly outputs?: StepContext<Options>['outputs'];
  readonly records?: StepContext<Options>['records'];
  readonly useStore?: StepContext<Options>['useStore'];
  readonly effects?: EffectLog;
  readonly targets?: StepContext<Options>['targets'];
  readonly issueReceipt?: StepContext<Options>['issueReceipt'];
  readonly signal?: AbortSignal;
  readonly receivedAt?: Date;
  readonly now?: Date;
  /** Of the file; that of the object when absent. */
  readonly key?: string;
}

export async function runStep<Options>(bench: StepBench, request: StepToRun<Options>): Promise<StepOutcome> {
  const {
    step,
    kind,
    options = {},
    object,
    jobId = 'job-1',
    isLarge = false,
    isFirstTry = true,
    outputs = {},
  } = request;
  const key = request.key ?? object.key;
  const receivedAt = request.receivedAt ?? new Date('2026-01-02T03:04:05Z');
  const tenantId = key.slice(0, key.indexOf('/'));
  return await step.run({
    options: kind.schema.parse(options),
    file: {
      id: 'file-1',
      tenantId,
      key,
      name: key.slice(key.lastIndexOf('/') + 1),
      sizeBytes: object.sizeBytes,
      receivedAt,
      timeZone: request.timeZone ?? 'UTC',
    },
    job: { id: jobId, generation: 1, routeName: 'orders', isLarge, depth: request.depth ?? 0 },
    step: {
      seq: 1,
      kind: step.kind,
      attempt: isFirstTry ? 1 : 2,
      isFirstTry,
      isReleased: request.isReleased ?? false,
      held: request.held,
    },
    object,
    original: object,
    outputs,
    records: request.records,
    idempotencyKey: `${tenantId}/${jobId}/1`,
    store: bench.store,
    useStore: request.useStore,
    targets: request.targets,
    issueReceipt: request.issueReceipt,
    effects: request.effects ?? memoryEffectLog(),
    products: request.products ?? { register: async () => {} },
    texts: request.texts ?? { index: async () => 0 },
    bucketNames: bench.bucketNames,
    signal: request.signal ?? new AbortController().signal,
    now: request.now ?? receivedAt,
    logger: createLogger({ service: 'test', level: 'silent' }),
  });
}

/** Of a tenant that has none. */
export const NO_TARGETS: StepTargets = {
  findPartner: async () => ({ ok: false, message: 'The tenant has no such partner.' }),
  findCalendar: async () => undefined,
  useRemote: async () => ({ type: 'unknown', message: 'The tenant has no such remote' }),
  useDatabase: async () => undefined,
};

export interface MemoryEffectLog extends EffectLog {
  /** By part: what is stored, and every stage that it came to. */
  readonly rows: Map<number, { stage: EffectStage; facts: EffectFacts; stages: EffectStage[]; atMs: number }>;
}

export function memoryEffectLog(): MemoryEffectLog {
  const rows: MemoryEffectLog['rows'] = new Map();
  return {
    rows,
    async begin(part) {
      const row = rows.get(part) ?? { stage: 'PREPARING', facts: {}, stages: ['PREPARING'], atMs: performance.now() };
      rows.set(part, row);
      return { stage: row.stage, facts: row.facts, ageMs: performance.now() - row.atMs };
    },
    async write(part, stage, facts) {
      const stages = [...(rows.get(part)?.stages ?? []), stage];
      rows.set(part, { stage, facts: JSON.parse(JSON.stringify(facts)), stages, atMs: performance.now() });
    },
  };
}
