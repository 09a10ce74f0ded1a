/** Thrown inside a stream of a format when the file itself is at fault: reading on would be of no use. */
import { type ErrorCode, LongshoreError } from '#shared/errors.ts';

export class FormatFault extends LongshoreError {
  /** From 1; absent where the format has no lines. */
  readonly line: number | undefined;

  constructor(code: ErrorCode, message: string, line?: number) {
    super(code, message);
    this.name = 'FormatFault';
    this.line = line;
  }
}
