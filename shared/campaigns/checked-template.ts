/** What the check of a template says. */
import type { TEMPLATE_FORMATS } from '#shared/db/schema.ts';
import type { ErrorCode } from '#shared/errors.ts';
import type { MailSource } from './render-mail.ts';

export type TemplateFormat = (typeof TEMPLATE_FORMATS)[number];

export interface TemplateFault {
  readonly code: ErrorCode;
  readonly message: string;
  /** From 1. */
  readonly line?: number;
}

export type CheckedTemplate =
  | {
      readonly ok: true;
      readonly mail: MailSource;
      readonly variables: readonly string[];
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly faults: readonly TemplateFault[] };
