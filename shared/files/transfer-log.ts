/**
 * What a copy in parts writes down of itself, so that another worker can go on with it. Bound to one owner (a job's step, or a file's
 * archive copy) and its epoch.
 *
 * 1. Every call of a worker that is no longer the owner's throws `LEASE_LOST` and changes nothing: only the holder completes or aborts.
 * 2. What is about to be done to an upload (complete, abort) is written before it is done.
 */
export type CopyPlan = 'server-side' | 'streamed';

export interface TransferFacts {
  readonly plan: CopyPlan;
  /** Of a copy to a store elsewhere, its name. */
  readonly store?: string | undefined;
  readonly target: { readonly bucket: string; readonly key: string };
  readonly sourceEtag: string;
  readonly sizeBytes: number;
  readonly partBytes: number;
}

export interface FinishedPart {
  readonly number: number;
  readonly etag: string;
  /** Of the upload's algorithm, where the store named it. */
  readonly checksum?: string | undefined;
  readonly sizeBytes: number;
}

/** A transfer as an earlier try left it. */
export interface LeftTransfer extends TransferFacts {
  readonly uploadId: string;
  /** Somebody began to abort the upload: it is never gone on with. */
  readonly isAborting: boolean;
  readonly parts: readonly FinishedPart[];
}

export interface TransferProgress {
  /** Finished since the last call. */
  readonly parts: readonly FinishedPart[];
  readonly bytesDone: number;
  readonly bytesPerSecond: number;
}

export interface TransferLog {
  /** Takes the transfer over. Undefined: no upload of it is known. */
  begin(facts: TransferFacts): Promise<LeftTransfer | undefined>;
  /** A new upload, in place of any before it. */
  created(facts: TransferFacts, uploadId: string): Promise<void>;
  progress(progress: TransferProgress): Promise<void>;
  completing(): Promise<void>;
  aborting(): Promise<void>;
  done(): Promise<void>;
  aborted(): Promise<void>;
}
