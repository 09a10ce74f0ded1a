/** A proposal as commands print it, and `--propose` of those whose change an admin makes. */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import type { CommandContext } from './command-context.ts';
import { formatFields, printText } from './terminal.ts';

export const proposalSchema = z.looseObject({
  proposal_id: z.string(),
  state: z.string(),
  method: z.string(),
  path: z.string(),
  reason: z.string(),
  proposed_by: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  decided_by: z.string().nullable(),
  decided_at: z.string().nullable(),
  note: z.string().nullable(),
});
const changesSchema = z.array(z.looseObject({ diff: z.string().default('') })).catch([]);
export const proposalDetailSchema = proposalSchema.extend({
  body: z.string().nullable(),
  check: z
    .object({
      error: z.looseObject({ code: z.string(), message: z.string() }).nullable(),
      would_apply: z.record(z.string(), z.unknown()).nullable(),
    })
    .nullable(),
});
type Detail = z.infer<typeof proposalDetailSchema>;
export const PROPOSE_OPTION = ['--propose', 'do not make the change: propose it to an admin'] as const;

export interface ProposedChange {
  readonly method: 'PUT' | 'POST';
  readonly path: string;
  readonly body: object;
  readonly reason: string | undefined;
}

export async function propose(context: CommandContext, change: ProposedChange): Promise<void> {
  if (change.reason === undefined)
    throw new LongshoreError('USAGE', 'A proposal takes a reason.', { hint: 'Add --reason TEXT.' });
  const made = await context.api.post('/api/v1/proposals', proposalDetailSchema, { body: { ...change } });
  await showProposal(context, made);
  context.terminal.note(`Nothing is changed yet. Somebody else: longshore proposals approve ${made.proposal_id}`);
}

export async function showProposal(context: CommandContext, detail: Detail): Promise<void> {
  const { isJson, terminal } = context;
  if (isJson) return terminal.json(detail);
  const times = await context.times();
  const { check, decided_by: decidedBy } = detail;
  const fields = {
    proposal: detail.proposal_id,
    state: detail.state,
    change: `${detail.method} ${detail.path}`,
    by: `${detail.proposed_by}, ${times.show(detail.created_at)}`,
    reason: detail.reason,
    ...(decidedBy !== null && { decided: `${decidedBy}, ${times.show(detail.decided_at ?? '')}` }),
    ...(detail.note !== null && { note: detail.note }),
    ...(check !== null && { until: times.show(detail.expires_at) }),
    ...(check?.error && { 'cannot be made now': `${check.error.code}: ${check.error.message}` }),
  };
  for (const line of formatFields(fields)) terminal.line(line);
  for (const { diff } of Object.values(check?.would_apply ?? {}).flatMap((changes) => changesSchema.parse(changes)))
    printText(terminal, diff);
}
