/**
 * What a copy in parts writes down of itself, so that another worker can continue with it. Bound to one owner (a job's step, or a file's
 * archive copy) and its epoch.
 *
 * 1. Every call of a worker that is no longer the owner's throws `LEASE_LOST` and changes nothing: only the holder completes or aborts.
 * 2. What is about to be done to an upload (complete, abort) is written before it is done.
 * 3. A stream of unknown length is written down to be watched, and so that a leftover is aborted: it is never continued.
 */
export type CopyPlan = 'server-side' | 'streamed';
export type TransferPlan = CopyPlan | 'unknown-length' | 'pulled';

export interface TransferFacts {
  readonly plan: TransferPlan;
  /** Of a copy to an external store, its name. */
  readonly store?: string | undefined;
  readonly target: { readonly bucket: string; readonly key: string };
  readonly sourceEtag: string;
  /** Null of a stream of unknown length. */
  readonly sizeBytes: number | null;
  readonly partBytes: number;
}

/** Of a copy, whose length is known. */
export interface CopyFacts extends TransferFacts {
  readonly plan: CopyPlan;
  readonly sizeBytes: number;
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
  /** Somebody began to abort the upload: it is never continued. */
  readonly isAborting: boolean;
  readonly parts: readonly FinishedPart[];
}

export interface TransferProgress {
  /** Finished since the last call, to be continued; none of a stream of unknown length. */
  readonly parts: readonly FinishedPart[];
  /** With what has been moved of parts in flight. */
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
  /** The object is there, made by a worker that could not say so any more. Nothing when there is no open transfer. */
  found(): Promise<void>;
}
