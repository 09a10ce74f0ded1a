/** What `validate` can say without looking into the file. Pure. */
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import { failed } from '../step-failure.ts';
import type { ValidateOptions } from './options.ts';

/** Compiling takes longer than everything else here, and a route's options are the same object for all its files. */
const patterns = new WeakMap<ValidateOptions, ReturnType<typeof compileLinearPattern>>();

type FailedOutcome = ReturnType<typeof failed>;

interface NameAndSize {
  readonly options: ValidateOptions;
  readonly file: { readonly name: string };
  readonly object: { readonly sizeBytes: number };
}

export function checkNameAndSize({ options, file, object }: NameAndSize): FailedOutcome | undefined {
  const { minSize = 0, maxSize = Number.POSITIVE_INFINITY, allowEmpty, namePattern } = options;
  if (namePattern !== undefined) {
    const pattern = patternOf(options, namePattern);
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

function patternOf(options: ValidateOptions, source: string): ReturnType<typeof compileLinearPattern> {
  const pattern = patterns.get(options) ?? compileLinearPattern(source);
  patterns.set(options, pattern);
  return pattern;
}
