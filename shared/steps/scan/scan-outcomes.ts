/** What happens to a file that a scanner did not pass, whatever the scanner. */
import { holdJob } from '../hold-job.ts';
import type { StepContext } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import type { ScanOptions } from './options.ts';

/** `facts`: of the scan. */
export function infected(what: string, facts: Readonly<Record<string, unknown>>): StepOutcome {
  const message = `The scanner found ${what} in the file. It is in quarantine, and nothing of it was delivered by this route.`;
  return {
    ...failed('SCAN_ERROR', 'SCAN_INFECTED', message),
    output: { verdict: 'infected', signature: what, ...facts },
  };
}

export function tooLarge({ options, object }: Pick<StepContext<ScanOptions>, 'options' | 'object'>): StepOutcome {
  const { engine, onTooLarge, maxSize } = options;
  if (onTooLarge === 'hold') return holdJob({ verdict: 'too-large', engine, sizeBytes: object.sizeBytes });
  const message = `The file, or something in it, is larger than the ${maxSize} bytes that are scanned, or takes the scanner too long.`;
  return failed('SCAN_ERROR', 'SCAN_TOO_LARGE', message);
}
