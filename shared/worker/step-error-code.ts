/** The code of a failure that the engine itself finds (a crash, a thrown error): which step it was, like the step's own codes. */
import type { ErrorCode } from '#shared/errors.ts';

const CODE_OF_KIND: Readonly<Record<string, ErrorCode>> = {
  validate: 'VALIDATION_ERROR',
  stage: 'STAGING_ERROR',
  transform: 'TRANSFORM_ERROR',
  parse: 'PARSE_ERROR',
  call: 'RECORDS_ERROR',
  deliver: 'DELIVERY_ERROR',
  confirm: 'CONFIRMATION_ERROR',
};

export function stepErrorCode(kind: string): ErrorCode {
  return Object.hasOwn(CODE_OF_KIND, kind) ? (CODE_OF_KIND[kind] as ErrorCode) : 'INTERNAL';
}
