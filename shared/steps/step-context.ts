/** What a step is given. A step reads nothing else: no environment, no module state, no clock of its own. */

import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import type { EffectLog } from '#shared/effects/effect-log.ts';
import type { ErrorCode } from '#shared/errors.ts';
import type { TransferLog } from '#shared/files/copies/transfer-log.ts';
import type { ObjectLocation } from '#shared/files/object-location.ts';
import type { ObjectStore, StoredHead } from '#shared/files/object-store.ts';
import type { Product } from '#shared/jobs/register-products.ts';
import type { BranchState } from '#shared/jobs/start-branches.ts';
import type { IssueReceipt } from '#shared/receipts/issue-receipt.ts';
import type { BucketId } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { OpenStore } from '#shared/stores/open-store.ts';
import type { UsedStore } from '#shared/stores/store-directory.ts';
import type { StepTargets } from '#shared/targets/step-targets.ts';
import type { RecordStore } from './record-store.ts';
import type { StepOutcome } from './step-outcome.ts';

/** `short` steps run in the partner-worker, `long` ones (many bytes, long times) in the large-file-worker. */
export type StepClass = 'short' | 'long';

export interface FileFacts {
  readonly id: string;
  readonly tenantId: string;
  /** Key in the landing bucket, and its last path segment. */
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly receivedAt: Date;
  /** IANA name; dates in keys are those of this zone. */
  readonly timeZone: string;
}

/** Files that the step makes of its file. */
export interface ProductLog {
  /** All of them at once, and the same ones on every try. @throws LongshoreError `LEASE_LOST` */
  register(products: readonly Product[]): Promise<void>;
}

/** The words that the file is found by. */
export interface TextIndex {
  /** Resolves to how many different words there are. @throws LongshoreError `LEASE_LOST` */
  index(text: string): Promise<number>;
}

export type UseStore = <Result>(
  name: string,
  work: (open: Pick<OpenStore, 'definition' | 'store'>) => Promise<Result>,
) => Promise<UsedStore<Result>>;

/** A destination, held for the length of one delivery: of several versions the newest stays (`shared/jobs/delivery-places.ts`). */
export interface DeliveryPlaces {
  take(
    place: PlaceName,
  ): Promise<
    { readonly type: 'taken' } | { readonly type: 'busy' } | { readonly type: 'superseded'; readonly fileId: string }
  >;
  leave(place: PlaceName, isDelivered: boolean): Promise<void>;
}

export interface PlaceName {
  readonly store?: string | undefined;
  readonly bucket: string;
  readonly key: string;
}

/** Jobs below the step; asked again, it finds those that it started. */
export interface StepBranches {
  /** Those of `parallel`. `isWaiting`: short ones are run by this worker at once, and the answer comes when they have left its hands. */
  start(isWaiting: boolean): Promise<readonly BranchState[]>;
  /** A route of the tenant, or why it cannot be run. */
  run(routeName: string): Promise<readonly BranchState[] | { readonly cause: ErrorCode; readonly message: string }>;
}

export interface StepContext<Options> {
  readonly options: Options;
  readonly file: FileFacts;
  readonly job: {
    readonly id: string;
    readonly generation: number;
    readonly routeName: string;
    readonly isLarge: boolean;
    /** How many archives its file came out of. */
    readonly depth: number;
  };
  /** `attempt` counts from 1 within a generation; `isFirstTry` is false as soon as any earlier try may have had an effect. */
  readonly step: {
    readonly seq: number;
    readonly kind: string;
    readonly attempt: number;
    readonly isFirstTry: boolean;
    /** The step held the job, and an operator let it continue. */
    readonly isReleased: boolean;
    /** What an earlier try of the step waited with. */
    readonly held?: Readonly<Record<string, unknown>> | undefined;
  };
  /** The job's bytes as they are now: the file itself, or what the last stage or transform step made. */
  readonly object: ObjectLocation;
  /** Of `object`, where that is known without asking the store: metadata, content headers and checksums. */
  readonly head?: StoredHead | undefined;
  /** The file as it came, wherever it is now. */
  readonly original: ObjectLocation;
  /** Outputs of the succeeded steps before this one, by step kind (the latest of a kind). */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** One per (tenant, job, step), the same over retries, redrives and generations. */
  readonly idempotencyKey: string;
  readonly store: ObjectStore;
  /** Runs `work` with one of the tenant's external stores; none are known without it. */
  readonly useStore?: UseStore | undefined;
  /** Targets outside, of the tenant; none are known without it. */
  readonly targets?: StepTargets | undefined;
  /** Of a record route: how its records are laid out in the file, what happens to the job by them, and where they are kept. */
  readonly records?:
    | { readonly layout: RecordsLayout; readonly failJobAt: number; readonly store: RecordStore }
    | undefined;
  /** None can be started without it. */
  readonly branches?: StepBranches | undefined;
  /** Of a file whose key has other versions: the place that it is delivered to must be taken first. */
  readonly places?: DeliveryPlaces | undefined;
  /** Where the effects of the step at targets outside are written down. */
  readonly effects: EffectLog;
  readonly products: ProductLog;
  readonly texts: TextIndex;
  /** The step's receipt; none are issued without it. */
  readonly issueReceipt?: IssueReceipt | undefined;
  /** Where a copy in parts writes down how far it is; without one it is begun again. */
  readonly transferLog?: TransferLog | undefined;
  readonly bucketNames: Readonly<Record<BucketId, string>>;
  /** Aborted when the lease is given up or the process stops. */
  readonly signal: AbortSignal;
  /** Database time of the claim; deadlines such as a marker's are measured by it. */
  readonly now: Date;
  readonly logger: Logger;
}

export interface StepKind<Options> {
  readonly kind: string;
  classOf(options: Options, isLarge: boolean): StepClass;
  run(context: StepContext<Options>): Promise<StepOutcome>;
}
