/** Who did what, when and why, as `job` and `status` print it. */
import { z } from 'zod';
import { formatTable } from './terminal.ts';
import type { Times } from './times.ts';

export const auditSchema = z.array(
  z.looseObject({ at: z.string(), type: z.string(), actor: z.string(), detail: z.record(z.string(), z.unknown()) }),
);

export function describeAudit(audit: z.infer<typeof auditSchema>, times: Times): string[] {
  const rows = audit.map(({ at, type, actor, detail }) => [times.show(at), type, actor, describeDetail(detail)]);
  return formatTable(['TIME', 'EVENT', 'BY', 'WHY'], rows);
}

/** The reason that a person gave, or what went wrong, or how many of what it was about. */
export function describeDetail(detail: Readonly<Record<string, unknown>>): string | null {
  const shown = [detail.reason, detail.code, detail.cause, detail.message, detail.name, detail.rule].filter(
    (part) => typeof part === 'string',
  );
  const deleted = detail.certificate === undefined ? [] : ['files', 'jobs', 'objects'];
  const counts = ['events', ...deleted, 'records', 'success', 'failed', 'ambiguous', 'open'].flatMap((name) =>
    typeof detail[name] === 'number' ? [`${detail[name]} ${name}`] : [],
  );
  return [shown.join(' '), counts.join(', ')].filter(Boolean).join(': ') || null;
}
