/**
 * `scan`: the job's object as it is now goes to the scanner.
 *
 * 1. Only `clean` continues, or an operator's release of what could not be scanned. A scanner that is down or untrusted is waited for.
 * 2. Nothing is written, so every try may repeat it.
 */
import type { TrustedVerdict } from '#shared/content/scan/create-scanner.ts';
import { holdJob } from '../hold-job.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { awaitGuardDuty } from './await-guardduty.ts';
import { type ScanOptions, scanOptions } from './options.ts';
import { infected, tooLarge } from './scan-outcomes.ts';

/** A scanner that is down or untrusted is asked again. */
const AGAIN_MS = 15_000;

export const scanStep: StepKind<ScanOptions> = {
  kind: scanOptions.kind,
  classOf: scanOptions.classOf,
  run: (context) =>
    withStoreFailures('SCAN_ERROR', async () => {
      const { options, object, step, targets, logger } = context;
      if (step.isReleased) return { type: 'succeeded', output: { verdict: 'not-scanned', released: true } };
      if (options.engine === 'guardduty') return await awaitGuardDuty(context);
      if (object.sizeBytes > options.maxSize) return tooLarge(context);
      const scan = targets?.scan;
      if (scan === undefined) return { type: 'wait', afterMs: AGAIN_MS, reason: 'SCAN_UNAVAILABLE' };
      const { store, signal } = context;
      const bytes = () => store.readStream(object, { ifMatch: object.etag, signal });
      const verdict = await scan({ bytes, maxBytes: options.maxSize, signal });
      if ('message' in verdict) logger.warn({ verdict: verdict.type, reason: verdict.message }, 'file not scanned');
      return outcomeOf(context, verdict);
    }),
};

function outcomeOf({ options, object }: StepContext<ScanOptions>, verdict: TrustedVerdict): StepOutcome {
  const facts = { engine: options.engine, sizeBytes: object.sizeBytes };
  switch (verdict.type) {
    case 'clean':
      return { type: 'succeeded', output: { verdict: 'clean', ...facts } };
    case 'infected':
      return infected(verdict.signature, facts);
    case 'too-large':
      return tooLarge({ options, object });
    case 'encrypted':
      if (options.onEncrypted === 'hold') return holdJob({ verdict: 'encrypted', ...facts });
      return failed('SCAN_ERROR', 'SCAN_ENCRYPTED', 'The file has a password, so the scanner cannot look into it.');
    case 'unavailable':
      return { type: 'wait', afterMs: AGAIN_MS, reason: 'SCAN_UNAVAILABLE' };
    case 'untrusted':
      return { type: 'wait', afterMs: AGAIN_MS, reason: 'SCAN_NOT_TRUSTED' };
  }
}
