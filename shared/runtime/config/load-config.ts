/**
 * Reads a process's configuration once, at start, through a zod schema, and rejects it with all faults at once.
 *
 * Each service names its variables in its own `config.ts`; nothing else reads `process.env`.
 */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';

/**
 * Parses `env` with `schema`. Empty strings count as absent, because container platforms cannot unset a variable.
 *
 * @throws LongshoreError `CONFIG_INVALID`, its message listing every fault as `NAME: what is wrong`.
 */
export function loadConfig<Schema extends z.ZodType>(
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
): z.output<Schema> {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = schema.safeParse(present);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(all)'}: ${issue.message}`);
  throw new LongshoreError('CONFIG_INVALID', `The configuration is invalid:\n  ${faults.join('\n  ')}`, {
    details: { faults },
  });
}

/** A whole number in a variable, e.g. `DATABASE_POOL_MAX=8`. */
export function integerVariable({
  min,
  max,
}: {
  min: number;
  max: number;
}): z.ZodPipe<z.ZodCoercedNumber, z.ZodNumber> {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.coerce
    .number<unknown>({ error })
    .pipe(z.number({ error }).int({ error }).min(min, { error }).max(max, { error }));
}

export const logLevelVariable = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']);

/** `true`/`1` or `false`/`0`. */
export const booleanVariable = z
  .enum(['true', 'false', '1', '0'])
  .transform((value) => value === 'true' || value === '1');

/** Values with commas between. */
export const listVariable = z.string().transform((text) => text.split(',').map((part) => part.trim()));

export const jsonVariable = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be JSON' });
    return z.NEVER;
  }
});
