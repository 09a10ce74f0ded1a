/** Durations in route files: `500ms`, `2s`, `10m`, `1h`, `7d`; inside Longshore they are milliseconds. */
import { z } from 'zod';

const MS_PER_UNIT = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const PATTERN = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/;

/** Undefined when `text` is not a duration. Fractions of a millisecond are rounded. */
export function parseDurationMs(text: string): number | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * MS_PER_UNIT[match[2] as keyof typeof MS_PER_UNIT]);
}

/** The shortest exact text: `120000` is `2m`. */
export function formatDuration(ms: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((name) => ms > 0 && ms % MS_PER_UNIT[name] === 0) ?? 'ms';
  return `${ms / MS_PER_UNIT[unit]}${unit}`;
}

/** Takes a text with a unit, or whole milliseconds: a stored definition, which holds numbers, parses to itself. */
export function durationSchema(bounds: { readonly minMs: number; readonly maxMs: number }) {
  return z
    .union([z.int().nonnegative(), z.string()], { error: 'expected a duration such as 500ms, 2s, 10m or 1h' })
    .transform((value, context) => {
      const ms = typeof value === 'number' ? value : parseDurationMs(value);
      if (ms !== undefined && ms >= bounds.minMs && ms <= bounds.maxMs) return ms;
      context.addIssue({
        code: 'custom',
        message:
          ms === undefined
            ? `"${value}" is not a duration; write it as 500ms, 2s, 10m or 1h`
            : `must be between ${formatDuration(bounds.minMs)} and ${formatDuration(bounds.maxMs)}`,
      });
      return z.NEVER;
    });
}
