/** The fields that requests share: each bounded, and free of what PostgreSQL's text cannot hold. */
import { z } from 'zod';
import { hasUnprintable } from '#shared/text/visible-text.ts';

/** NUL and lone surrogates; either would make the database refuse the statement. */
const UNSTORABLE = /[\0\ud800-\udfff]/u;

export function textField(maxLength: number) {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .refine((text) => !UNSTORABLE.test(text), { error: 'has a NUL character or a lone surrogate' });
}

/** For what names somebody in the audit and in lists: control characters and bidi marks could pass for another. */
export function plainTextField(maxLength: number) {
  return textField(maxLength)
    .trim()
    .min(1)
    .refine((text) => !hasUnprintable(text), {
      error: 'has a control character or an invisible one',
    });
}

export const idField = z.guid('is not an id, such as 0198c0de-0000-7000-8000-000000000001').toLowerCase();
/** Looked up only, so any text serves: one that names no tenant finds nothing. */
export const tenantField = textField(128);
export const idParams = z.object({ id: idField });

/** Kept in the audit. */
export const reasonField = textField(500).describe('Reason, recorded in the audit.');

export const limitField = z.coerce.number().int().min(1).max(200).default(50);

/** In a query; false when absent. */
export const flagField = z
  .enum(['true', 'false'])
  .default('false')
  .transform((flag) => flag === 'true');

const EARLIEST_MS = Date.UTC(1970, 0, 1);
/** RFC 3339; given on in UTC, since PostgreSQL refuses offsets that the format allows. */
export const instantField = z.iso
  .datetime({ offset: true, error: 'is not a time of the form 2026-01-31T08:00Z' })
  .transform((text, context) => {
    const instant = new Date(text);
    if (instant.getTime() >= EARLIEST_MS) return instant.toISOString();
    context.addIssue({ code: 'custom', message: 'is out of range' });
    return z.NEVER;
  });

/** Why an operator does something. */
export const reasonBodySchema = z.strictObject({ reason: reasonField });

/** One of `names`, which are upper case; taken in any case. */
export function anyCaseField<const Names extends readonly [string, ...string[]]>(names: Names) {
  return z
    .string()
    .max(64)
    .toUpperCase()
    .pipe(z.enum(names))
    .describe(`${names.join(', ')}; upper or lower case.`);
}

/** `failed,quarantined`: one or more of `names`, each once. */
export function anyCaseListField<const Names extends readonly [string, ...string[]]>(names: Names) {
  return z
    .string()
    .max(256)
    .transform((text, context): Names[number][] => {
      const list = text.toUpperCase().split(',');
      if (list.every((name) => names.includes(name))) return [...new Set(list)];
      context.addIssue({ code: 'custom', message: `has something that is not one of ${names.join(', ')}` });
      return z.NEVER;
    })
    .describe(`One or more, with commas between them: ${names.join(', ')}; upper or lower case.`);
}
