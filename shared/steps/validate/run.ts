/** `validate`: the checks in the order of their cost; the first fault ends it. Nothing is written, so every try may repeat it. */
import type { StepKind } from '../step-context.ts';
import { withStoreFailures } from '../step-failure.ts';
import { checkCsv } from './check-csv.ts';
import { checkNameAndSize } from './check-name-and-size.ts';
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
