/** `scan`: no file continues before a virus scanner has looked at it. */
import { z } from 'zod';
import { durationSchema } from '#shared/definitions/duration.ts';
import { sizeSchema } from '#shared/definitions/size.ts';
import type { StepOptionsKind } from '../step-options.ts';

const MIB = 1024 ** 2;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** clamd takes no more in one stream. */
const MOST_BYTES = 4 * 1024 ** 3 - 1;

const scanOptionsSchema = z.strictObject({
  /** `guardduty`: by the tag that Amazon GuardDuty gives to objects that it scanned. */
  engine: z.enum(['clamd', 'guardduty']).default('clamd'),
  /** The scanner must look into archives of this size, which is tested hourly. */
  maxSize: sizeSchema.default(100 * MIB).refine((bytes) => bytes >= 1_024 && bytes <= MOST_BYTES, {
    error: 'must be from 1 KB to 4 GB',
  }),
  /** Larger than `maxSize`, or than a limit of the scanner. `hold`: an operator may let it continue without a scan. */
  onTooLarge: z.enum(['hold', 'fail']).default('hold'),
  /** Archives and documents with a password. */
  onEncrypted: z.enum(['hold', 'fail']).default('hold'),
  /** `guardduty`: for how long its result is waited for, then the file is held. */
  within: durationSchema({ minMs: 10_000, maxMs: DAY_MS }).default(15 * MINUTE_MS),
});
export type ScanOptions = z.infer<typeof scanOptionsSchema>;

export const scanOptions: StepOptionsKind<ScanOptions> = {
  kind: 'scan',
  schema: scanOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
  simulate({ engine, maxSize, onTooLarge }, { sizeBytes }) {
    if (engine === 'guardduty')
      return { would: 'wait until GuardDuty has scanned it, and quarantine it when it is infected' };
    if (sizeBytes <= maxSize) return { would: 'scan it for viruses, and quarantine it when one is found' };
    if (onTooLarge === 'hold') return { would: 'hold it for an operator: it is too large to be scanned' };
    return { would: 'fail with SCAN_ERROR SCAN_TOO_LARGE', fails: true };
  },
};
