/**
 * Opaque cursors of keyset paging: the place after which the next page begins.
 *
 * A cursor is neither a secret nor an authority: it only moves a position within what its caller may see anyway.
 */
import { z } from 'zod';
import { parseJson } from '#shared/text/parse-json.ts';
import { idField, textField } from './request-fields.ts';

export interface PagePosition {
  /** With microseconds, as PostgreSQL keeps it. */
  readonly at: string;
  readonly id: string;
  /** Where several rows have the same id. */
  readonly within?: string | undefined;
}

const NO_CURSOR = 'is not a next_cursor of a page';
const positionSchema = z.tuple([z.iso.datetime().startsWith('20'), idField, textField(400).optional()]);

export function encodeCursor({ at, id, within }: PagePosition): string {
  return encode(within === undefined ? [at, id] : [at, id, within]);
}

/** Text that `encodeCursor` made, as a position. */
export const cursorField = fieldOf(positionSchema, 1_000).transform(
  ([at, id, within]): PagePosition => ({ at, id, within }),
);

export interface TextPosition {
  /** With microseconds, as PostgreSQL keeps it. */
  readonly at: string;
  readonly key: string;
}

/** For rows whose ids are any text. */
export function encodeTextCursor({ at, key }: TextPosition): string {
  return encode([at, key]);
}

/** Text that `encodeTextCursor` made, as a position. */
export const textCursorField = fieldOf(z.tuple([z.iso.datetime().startsWith('20'), textField(400)]), 1_000).transform(
  ([at, key]): TextPosition => ({ at, key }),
);

/** For pages in the order of ids. */
export function encodeIdCursor(id: string): string {
  return encode(id);
}

/** Text that `encodeIdCursor` made, as an id. */
export const idCursorField = fieldOf(idField, 100);

/** A line of a file, from 1. */
export const lineField = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

/** For pages in the order of versions, which PostgreSQL counts in 32 bits. */
export const versionCursorField = fieldOf(z.int32().min(1), 40);

/** For pages in the order of a file. */
export function encodeLineCursor(line: number): string {
  return encode(line);
}

/** Text that `encodeLineCursor` made, as a line. */
export const lineCursorField = fieldOf(z.int().min(1), 40);

function encode(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

function fieldOf<Schema extends z.ZodType>(schema: Schema, maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .transform((text, context): z.output<Schema> => {
      const parsed = schema.safeParse(parseJson(Buffer.from(text, 'base64url').toString()));
      if (parsed.success) return parsed.data;
      context.addIssue({ code: 'custom', message: NO_CURSOR });
      return z.NEVER;
    });
}
