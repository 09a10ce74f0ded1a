/** The pure side of a step kind: enough to check a route and to decide who runs it, without any I/O. */
import { z } from 'zod';
import type { StepClass } from './step-context.ts';

export interface StepOptionsKind<Options> {
  readonly kind: string;
  /** Takes what a route file says, and takes its own result again: stored definitions are parsed with it too. */
  readonly schema: z.ZodType<Options>;
  classOf(options: Options, isLarge: boolean): StepClass;
  /** What the step would do with a file, for `longshore simulate`. */
  simulate?(options: Options, file: SimulatedStepFile): SimulatedStep;
  /** Suffixes of files that the step looks for next to the job's file, e.g. `.sha256`. */
  companionSuffixes?(options: Options): readonly string[];
}

/** A file as the steps before this one would leave it. */
export interface SimulatedStepFile {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface SimulatedStep {
  /** Completes "would …". */
  readonly would: string;
  readonly fails?: boolean;
  /** The name after it, where it changes. */
  readonly name?: string;
}

/**
 * `auto`, the default: by the store itself, in parts when the file is large. `server-side`: the same, said outright. `streamed`: through the
 * worker, for stores that cannot copy from one bucket to the other, and where the receipt is to have the content's SHA-256.
 */
export const copyWishSchema = z.enum(['auto', 'server-side', 'streamed']);
export type CopyWish = z.infer<typeof copyWishSchema>;
