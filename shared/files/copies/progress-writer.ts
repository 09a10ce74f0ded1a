/**
 * Tells a transfer's log how far it is, at most once a second, next to the copying.
 *
 * 1. Parts that are finished are written down to be continued; bytes of parts in flight are told to be watched, and for nothing else.
 * 2. The first finished part is written at once: should the worker die, it is known to have got somewhere.
 * 3. While nothing moves the rate falls to 0 within `RATE_OVER_MS`; then nothing is written until something does.
 */
import { LongshoreError } from '#shared/errors.ts';
import type { FinishedPart, TransferLog } from './transfer-log.ts';

export interface ProgressWriterOptions {
  readonly log: Pick<TransferLog, 'progress'>;
  /** Of parts that were there already. */
  readonly bytesBefore: number;
  /** The log says that the copy is somebody else's now. */
  readonly onLost: (error: unknown) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const EVERY_MS = 1_000;
const RATE_OVER_MS = 10_000;

export class ProgressWriter {
  readonly #options: ProgressWriterOptions;
  readonly #now: () => number;
  #unwritten: FinishedPart[] = [];
  #bytesFinished: number;
  readonly #bytesInFlight = new Map<number, number>();
  /** Of the last seconds, the oldest first. */
  #seen: { readonly atMs: number; readonly bytes: number }[];
  #written: { readonly bytes: number; readonly rate: number };
  #hasWrittenParts = false;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: ProgressWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#bytesFinished = options.bytesBefore;
    this.#seen = [{ atMs: this.#now(), bytes: options.bytesBefore }];
    this.#written = { bytes: options.bytesBefore, rate: 0 };
    this.#timer = setInterval(() => this.#look(), EVERY_MS).unref();
  }

  /** Parts of an earlier try that it did not write down any more; their bytes are in `bytesBefore`. */
  async found(parts: readonly FinishedPart[]): Promise<void> {
    this.#unwritten.push(...parts);
    if (parts.length > 0) await this.#begin();
  }

  /** `bytes` of it have been moved so far; fewer than before when it is begun again. */
  moved(partNumber: number, bytes: number): void {
    this.#bytesInFlight.set(partNumber, bytes);
  }

  /** A whole part that nobody will continue with. */
  passed(partNumber: number, sizeBytes: number): void {
    this.#bytesInFlight.delete(partNumber);
    this.#bytesFinished += sizeBytes;
  }

  finished(part: FinishedPart): void {
    this.#unwritten.push(part);
    this.passed(part.number, part.sizeBytes);
    if (!this.#hasWrittenParts && this.#writing === undefined) void this.#begin();
  }

  /** No more is watched. Everything finished so far is written, or the log cannot be reached: the store knows its parts on its own. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#writing;
    this.#bytesInFlight.clear();
    if (this.#unwritten.length > 0 || this.#bytesFinished !== this.#written.bytes) await this.#begin();
  }

  get #bytesDone(): number {
    return [...this.#bytesInFlight.values()].reduce((sum, bytes) => sum + bytes, this.#bytesFinished);
  }

  #look(): void {
    const rate = this.#rate();
    const isAsWritten = this.#bytesDone === this.#written.bytes && rate === this.#written.rate;
    if (this.#writing === undefined && (this.#unwritten.length > 0 || !isAsWritten)) void this.#begin();
  }

  #rate(): number {
    const now = { atMs: this.#now(), bytes: this.#bytesDone };
    const isOld = ({ atMs }: { readonly atMs: number }) => now.atMs - atMs >= RATE_OVER_MS;
    // The youngest of the old ones is what the newest is compared with.
    const first = Math.max(0, this.#seen.findLastIndex(isOld));
    this.#seen = [...this.#seen.slice(first), now];
    const [oldest = now] = this.#seen;
    const elapsedMs = now.atMs - oldest.atMs;
    return elapsedMs <= 0 ? 0 : Math.max(0, Math.round(((now.bytes - oldest.bytes) * 1_000) / elapsedMs));
  }

  #begin(): Promise<void> {
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    const parts = this.#unwritten;
    this.#unwritten = [];
    const bytes = this.#bytesDone;
    const rate = this.#rate();
    this.#hasWrittenParts ||= parts.length > 0;
    this.#timer?.refresh();
    try {
      await this.#options.log.progress({ parts, bytesDone: Math.round(bytes), bytesPerSecond: rate });
      this.#written = { bytes, rate };
    } catch (error) {
      this.#unwritten = [...parts, ...this.#unwritten];
      if (error instanceof LongshoreError && error.code === 'LEASE_LOST') this.#options.onLost(error);
    }
  }
}
