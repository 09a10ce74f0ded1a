/** `push`: the file onto a partner's SFTP or FTPS server. */
import { z } from 'zod';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { compileNameTemplate, SAMPLE_FACTS } from '#shared/definitions/name-template.ts';
import { canonicalRemotePath } from '#shared/definitions/remote-schema.ts';
import type { StepOptionsKind } from '../step-options.ts';

const clockSchema = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as 22:00');

const pushOptionsSchema = z
  .strictObject({
    /** By the name of its definition. */
    remote: idSchema,
    /** Template of the whole path. */
    path: z.string().min(1),
    /** `number`: `name-2.csv` and so on. FTP servers can only be asked before; between the question and the rename is a gap. */
    onExisting: z.enum(['fail', 'overwrite', 'number']).default('fail'),
    /** `size`: as the server tells it. `readback`: every byte is read again before the final name shows. */
    verify: z.enum(['size', 'readback']).default('size'),
    /** Template of a name in the same directory, written empty once the file is there. */
    marker: z.string().min(1).optional(),
    /** `none`, for servers that cannot rename: the final name shows partial bytes meanwhile. */
    temp: z.enum(['rename', 'none']).default('rename'),
    /** Said by who takes partial bytes under the final name. */
    acceptPartial: z.boolean().default(false),
    /** What a final name that is gone, with no other trace, means. */
    pickedUp: z.enum(['in-doubt', 'delivered']).default('in-doubt'),
    /** In the time zone of the tenant, or of its calendar, on whose days it opens; outside it the file waits. */
    window: z
      .strictObject({ from: clockSchema, to: clockSchema, calendar: idSchema.optional() })
      .refine(({ from, to }) => from !== to, { error: 'begins when it ends' })
      .optional(),
  })
  .superRefine((options, context) => {
    const { path, marker, temp, acceptPartial } = options;
    if (temp === 'none' && marker === undefined && !acceptPartial) {
      const message = 'without a temporary name, partial bytes show: name a marker, or say acceptPartial: true';
      context.addIssue({ code: 'custom', path: ['temp'], message });
    }
    const fault =
      templateFault(path, (text) => text) ??
      (marker === undefined ? undefined : templateFault(marker, (text) => `/${text}`));
    if (fault !== undefined)
      context.addIssue({ code: 'custom', path: [marker === undefined ? 'path' : 'marker'], message: fault });
  });
export type PushOptions = z.output<typeof pushOptionsSchema>;

export const pushOptions: StepOptionsKind<PushOptions> = {
  kind: 'push',
  schema: pushOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};

/** Undefined for a template of a path that a remote may have. */
export function templateFault(template: string, toPath: (text: string) => string): string | undefined {
  const compiled = compileNameTemplate(template);
  if (!compiled.ok) return compiled.message;
  const path = canonicalRemotePath(toPath(compiled.render(SAMPLE_FACTS)));
  return path.ok ? undefined : path.message;
}
