/** A template as it was uploaded, checked in a child process: whatever it is, it costs its own request and nobody else's. */
import { createConfinedProgram } from '#shared/confined/confined-program.ts';
import { type ErrorCode, LongshoreError } from '#shared/errors.ts';
import type { CheckedTemplate, TemplateFormat } from './checked-template.ts';
import type { TemplateQuestion } from './read-template.ts';

export const MOST_TEMPLATE_BYTES = 512 * 1024;
const CPU_MS = 10_000;
const MOST_OF_A_CUSTOMER = 8;

export interface TemplateCheckerOptions {
  /** Of the processor, for one template. */
  readonly cpuMs?: number;
  /** How long a child waits for the next template: it holds 150 MB, and few templates are uploaded. */
  readonly idleMs?: number;
}

export function createTemplateChecker({ cpuMs = CPU_MS, idleMs = 0 }: TemplateCheckerOptions = {}) {
  const program = createConfinedProgram<TemplateQuestion, CheckedTemplate>({
    program: new URL('./read-template.ts', import.meta.url),
    heapMb: 256,
    cpuMs,
    idleMs,
  });

  /** @throws LongshoreError `RATE_LIMITED`, `READER_LOST` */
  return async (bytes: Uint8Array, format: TemplateFormat, customer: string): Promise<CheckedTemplate> => {
    if (bytes.length > MOST_TEMPLATE_BYTES)
      return refused('TEMPLATE_TOO_LARGE', `The template has ${bytes.length} bytes; ${MOST_TEMPLATE_BYTES} are taken.`);
    if (program.countOf(customer) >= MOST_OF_A_CUSTOMER)
      throw new LongshoreError('RATE_LIMITED', 'Too many templates of yours wait to be checked.');
    const checked = await program.ask({ bytes, format }, { customer });
    if (checked.type === 'answered') return checked.answer;
    const code = format === 'mjml' ? 'TEMPLATE_MJML' : 'TEMPLATE_SYNTAX';
    return refused(code, `The template takes more than ${cpuMs / 1_000} s or too much memory to check.`);
  };
}

export const checkTemplate = createTemplateChecker();

function refused(code: ErrorCode, message: string): CheckedTemplate {
  return { ok: false, faults: [{ code, message }] };
}
