/** `validate`: the checks in the order of their cost; the first fault ends it. Nothing is written, so every try may repeat it. */
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, withStoreFailures } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { checkCsv } from './check-csv.ts';
import { checkMarker, checkSidecar } from './companions.ts';
import { type ValidateOptions, validateOptions } from './options.ts';

export const validateStep: StepKind<ValidateOptions> = {
  kind: validateOptions.kind,
  classOf: validateOptions.classOf,
  run: (context) =>
    withStoreFailures('VALIDATION_ERROR', async () => {
      const fault = checkNameAndSize(context) ?? (await checkMarker(context)) ?? (await checkSidecar(context));
      return fault ?? (await checkCsv(context)) ?? { type: 'succeeded' };
    }),
};

function checkNameAndSize({ options, file, object }: StepContext<ValidateOptions>): StepOutcome | undefined {
  const { minSize = 0, maxSize = Number.POSITIVE_INFINITY, allowEmpty, namePattern } = options;
  if (namePattern !== undefined) {
    const pattern = compileLinearPattern(namePattern);
    if (!pattern.ok || !pattern.matches(file.name)) {
      return failed('VALIDATION_ERROR', 'NAME_MISMATCH', `The name does not fit the pattern ${namePattern}.`);
    }
  }
  const { sizeBytes } = object;
  if (sizeBytes === 0 && allowEmpty === false) {
    return failed(
      'VALIDATION_ERROR',
      'FILE_EMPTY',
      'The file has no bytes; send it again, or let the route allow empty files.',
    );
  }
  if (sizeBytes > 0 && sizeBytes < minSize) {
    return failed(
      'VALIDATION_ERROR',
      'FILE_TOO_SMALL',
      `The file has ${sizeBytes} bytes, less than the ${minSize} of its route.`,
    );
  }
  if (sizeBytes > maxSize) {
    return failed(
      'VALIDATION_ERROR',
      'FILE_TOO_LARGE',
      `The file has ${sizeBytes} bytes, more than the ${maxSize} of its route.`,
    );
  }
  return undefined;
}
