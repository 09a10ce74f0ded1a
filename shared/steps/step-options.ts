/** The pure side of a step kind: enough to check a route and to tell who runs it, without any I/O. */
import type { z } from 'zod';
import type { StepClass } from './step-context.ts';

export interface StepOptionsKind<Options> {
  readonly kind: string;
  /** Takes what a route file says, and takes its own result again: stored definitions are parsed with it too. */
  readonly schema: z.ZodType<Options>;
  classOf(options: Options, isLarge: boolean): StepClass;
  /** Suffixes of files that the step looks for beside the job's file, e.g. `.sha256`. */
  companionSuffixes?(options: Options): readonly string[];
}
