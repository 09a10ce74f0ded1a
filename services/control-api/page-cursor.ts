/**
 * Opaque cursors of keyset paging: the place after which the next page begins.
 *
 * A cursor is no secret and no authority: it only moves a position within what its caller may see anyway.
 */
import { z } from 'zod';
import { idField } from './request-fields.ts';

export interface PagePosition {
  /** With microseconds, as PostgreSQL keeps it. */
  readonly at: string;
  readonly id: string;
}

const NO_CURSOR = 'is no cursor that a page gave as next_cursor';
const positionSchema = z.tuple([z.iso.datetime().startsWith('20'), idField]);

export function encodeCursor({ at, id }: PagePosition): string {
  return Buffer.from(JSON.stringify([at, id])).toString('base64url');
}

/** Text that `encodeCursor` made, as a position. */
export const cursorField = z
  .string()
  .max(200)
  .transform((text, context): PagePosition => {
    const parsed = positionSchema.safeParse(parseJson(Buffer.from(text, 'base64url').toString()));
    if (parsed.success) return { at: parsed.data[0], id: parsed.data[1] };
    context.addIssue({ code: 'custom', message: NO_CURSOR });
    return z.NEVER;
  });

/** A line of a file, from 1. */
export const lineField = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/** For pages in the order of a file. */
export function encodeLineCursor(line: number): string {
  return Buffer.from(JSON.stringify(line)).toString('base64url');
}

/** Text that `encodeLineCursor` made, as a line. */
export const lineCursorField = z
  .string()
  .max(40)
  .transform((text, context): number => {
    const parsed = z
      .int()
      .min(1)
      .safeParse(parseJson(Buffer.from(text, 'base64url').toString()));
    if (parsed.success) return parsed.data;
    context.addIssue({ code: 'custom', message: NO_CURSOR });
    return z.NEVER;
  });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
