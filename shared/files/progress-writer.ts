/** Tells a transfer's log how far it is, at most once a second, beside the copying. */
import { LongshoreError } from '#shared/errors.ts';
import type { FinishedPart, TransferLog } from './transfer-log.ts';

export interface ProgressWriterOptions {
  readonly log: Pick<TransferLog, 'progress'>;
  /** Of parts that were there already. */
  readonly bytesBefore: number;
  /** The log says that the copy is somebody else's now. */
  readonly onLost: (error: unknown) => void;
  readonly now?: () => number;
}

const EVERY_MS = 1_000;
/** The share that the last second has in the rate. */
const NEWEST_WEIGHT = 0.3;

export class ProgressWriter {
  readonly #options: ProgressWriterOptions;
  readonly #now: () => number;
  #unwritten: FinishedPart[] = [];
  #bytesDone: number;
  #bytesWritten: number;
  #writtenAtMs: number;
  #bytesPerSecond = 0;
  #writing: Promise<void> | undefined;

  constructor(options: ProgressWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#bytesDone = options.bytesBefore;
    this.#bytesWritten = options.bytesBefore;
    this.#writtenAtMs = this.#now();
  }

  finished(part: FinishedPart): void {
    this.#unwritten.push(part);
    this.#bytesDone += part.sizeBytes;
    if (this.#writing === undefined && this.#now() - this.#writtenAtMs >= EVERY_MS) this.#writing = this.#write();
  }

  /** Everything finished so far is written, or the log cannot be reached: the store knows its parts by itself. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#unwritten.length > 0) await this.#write();
  }

  async #write(): Promise<void> {
    const parts = this.#unwritten;
    this.#unwritten = [];
    const elapsedMs = Math.max(1, this.#now() - this.#writtenAtMs);
    const newest = ((this.#bytesDone - this.#bytesWritten) * 1_000) / elapsedMs;
    this.#bytesPerSecond =
      this.#bytesPerSecond === 0 ? newest : newest * NEWEST_WEIGHT + this.#bytesPerSecond * (1 - NEWEST_WEIGHT);
    this.#bytesWritten = this.#bytesDone;
    this.#writtenAtMs += elapsedMs;
    try {
      await this.#options.log.progress({
        parts,
        bytesDone: this.#bytesDone,
        bytesPerSecond: Math.round(this.#bytesPerSecond),
      });
    } catch (error) {
      this.#unwritten = [...parts, ...this.#unwritten];
      if (error instanceof LongshoreError && error.code === 'LEASE_LOST') this.#options.onLost(error);
    } finally {
      this.#writing = undefined;
    }
  }
}
