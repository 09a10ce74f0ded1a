/**
 * The result of GuardDuty Malware Protection for S3, which is a tag of the object that it scanned.
 * https://docs.aws.amazon.com/guardduty/latest/ug/monitor-with-s3-object-tags.html
 *
 * 1. Only `NO_THREATS_FOUND` continues. No tag within the time of the route, and any result that is not known here, hold the file.
 * 2. An object has the tag of the version that the job works on.
 */
import { z } from 'zod';
import { holdJob } from '../hold-job.ts';
import type { StepContext } from '../step-context.ts';
import type { StepOutcome } from '../step-outcome.ts';
import type { ScanOptions } from './options.ts';
import { infected, tooLarge } from './scan-outcomes.ts';

const GUARDDUTY_TAG = 'GuardDutyMalwareScanStatus';

/** Small files have their result after some seconds. */
const SOON_MS = 5_000;
const LATER_MS = 30_000;
const SOON_FOR_MS = 60_000;

const waitedSchema = z.object({ awaitedSince: z.iso.datetime(), generation: z.int() });

/** @throws ObjectStoreError */
export async function awaitGuardDuty(context: StepContext<ScanOptions>): Promise<StepOutcome> {
  const { store, object, options, step, job, now, signal } = context;
  const facts = { engine: options.engine, sizeBytes: object.sizeBytes };
  const { [GUARDDUTY_TAG]: result } = await store.tags(object, { signal });
  switch (result) {
    case 'NO_THREATS_FOUND':
      return { type: 'succeeded', output: { verdict: 'clean', ...facts } };
    case 'THREATS_FOUND':
      return infected('a threat', facts);
    case 'UNSUPPORTED':
      return tooLarge(context);
    case undefined: {
      const waited = waitedSchema.safeParse(step.held);
      const isSame = waited.success && waited.data.generation === job.generation;
      const awaitedSince = isSame ? waited.data.awaitedSince : now.toISOString();
      const waitedMs = now.getTime() - Date.parse(awaitedSince);
      const leftMs = options.within - waitedMs;
      if (leftMs <= 0) return holdJob({ verdict: 'no-result', ...facts });
      const afterMs = Math.min(waitedMs < SOON_FOR_MS ? SOON_MS : LATER_MS, leftMs);
      const output = { awaitedSince, generation: job.generation };
      return { type: 'wait', afterMs, reason: 'SCAN_UNAVAILABLE', output };
    }
    default:
      return holdJob({ verdict: 'not-scanned', result, ...facts });
  }
}
