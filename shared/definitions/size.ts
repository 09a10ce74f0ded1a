/** Sizes in route files: `512`, `10KB`, `5MB`, `1GiB`; inside Longshore they are bytes. KB is 1,000, KiB is 1,024. */
import { z } from 'zod';

const BYTES_PER_UNIT = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
} as const;
const PATTERN = /^(\d{1,12}(?:\.\d{1,3})?) ?(B|[KMGT]i?B)$/;
/** S3's largest object. */
const LARGEST_BYTES = 5 * 2 ** 40;

/** Undefined when `text` is not a size. */
export function parseSizeBytes(text: string): number | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * BYTES_PER_UNIT[match[2] as keyof typeof BYTES_PER_UNIT]);
}

/** Takes whole bytes or a text with a unit; what it gives back, it takes again. */
export const sizeSchema = z
  .union([z.int().nonnegative(), z.string()], { error: 'expected a size such as 512, 10KB, 5MB or 1GiB' })
  .transform((value, context) => {
    const bytes = typeof value === 'number' ? value : parseSizeBytes(value);
    if (bytes !== undefined && bytes <= LARGEST_BYTES) return bytes;
    context.addIssue({
      code: 'custom',
      message:
        bytes === undefined ? `"${value}" is not a size; write it as 512, 10KB, 5MB or 1GiB` : 'must be at most 5 TiB',
    });
    return z.NEVER;
  });
