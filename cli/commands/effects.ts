/** `longshore effects`: what steps did at targets outside, and an operator's decision about what is in doubt. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseList } from '#cli/parse-option.ts';
import { formatFields } from '#cli/terminal.ts';

const effectSchema = z.looseObject({
  effect_id: z.string(),
  customer_id: z.string(),
  job_id: z.string(),
  file_name: z.string(),
  route: z.string(),
  step: z.string(),
  stage: z.string(),
  key: z.string(),
  facts: z.record(z.string(), z.unknown()),
  since: z.string(),
  job_state: z.string(),
});
type Effect = z.infer<typeof effectSchema>;
const pageSchema = z.object({ effects: z.array(effectSchema), next_cursor: z.string().nullable() });
const resolvedSchema = z.object({
  effect: effectSchema,
  action: z.looseObject({ action_id: z.string() }).nullable(),
});

interface ListOptions {
  readonly stage?: string[];
  readonly kind?: string;
  readonly tenant?: string;
  readonly job?: string;
  readonly limit: number;
}

export function addEffects(program: Command, cli: Cli): void {
  const effects = addCommand<ListOptions>(program, cli, {
    usage: 'effects',
    description: 'list effects at targets outside, newest first: those in doubt, unless --stage says otherwise',
    define: (command) =>
      command
        .option(
          '--stage <stage...>',
          'one or more of preparing, prepared, committing, done, unknown; default: unknown',
          parseList,
        )
        .option('--kind <kind>', 'of step: load, post, push, publish or mail')
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--job <job>', 'only those of this job')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { stage, kind, tenant, job, limit }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: limit,
        readPage: async (page) => {
          const query = { stage: (stage ?? ['unknown']).join(','), kind, tenant, job_id: job, ...page };
          const reply = await context.api.get('/api/v1/effects', pageSchema, { query });
          return { entries: reply.effects, next: reply.next_cursor };
        },
        headings: ['EFFECT', 'TENANT', 'ROUTE', 'STEP', 'STAGE', 'SINCE', 'FILE'],
        rowOf: (effect) => [
          effect.effect_id,
          effect.customer_id,
          effect.route,
          effect.step,
          effect.stage,
          times.show(effect.since),
          effect.file_name,
        ],
        what: stage === undefined ? 'effects in doubt' : 'effects',
        filters: { tenant, others: [kind, job, stage] },
        ...(stage === undefined && {
          ifNone: 'Those of other stages: `longshore effects --stage preparing,prepared,committing,done`.',
        }),
      });
    },
  });
  effects.enablePositionalOptions();

  addCommand(effects, cli, {
    usage: 'show <effect>',
    description: 'show an effect: where it is, and the key to ask the target about',
    run: async ({ api, isJson, terminal }, _options, [id = '']) => {
      const effect = await api.get(pathOf(id), effectSchema);
      if (isJson) terminal.json(effect);
      else for (const line of describe(effect)) terminal.line(line);
    },
  });

  addCommand<{ as: string; reason: string }>(effects, cli, {
    usage: 'resolve <effect>',
    description: 'say what happened to an effect that is in doubt',
    define: (command) =>
      command
        .requiredOption(
          '--as <word>',
          'done: the target has it; not-done: do it again with the same key; resend: send it as new',
        )
        .requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async ({ api, isJson, terminal }, { as, reason }, [id = '']) => {
      const resolved = await api.post(`${pathOf(id)}/resolve`, resolvedSchema, { body: { as, reason } });
      if (isJson) {
        terminal.json(resolved);
        return;
      }
      for (const line of describe(resolved.effect)) terminal.line(line);
      if (resolved.action !== null)
        terminal.note(`A second person approves it: longshore actions approve ${resolved.action.action_id}`);
    },
  });
}

function pathOf(id: string): string {
  return `/api/v1/effects/${encodeURIComponent(id)}`;
}

function describe(effect: Effect): string[] {
  const facts = Object.entries(effect.facts).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return formatFields({
    ...Object.fromEntries(facts),
    effect: effect.effect_id,
    tenant: effect.customer_id,
    file: effect.file_name,
    route: effect.route,
    step: effect.step,
    stage: effect.stage,
    key: effect.key,
    job: `${effect.job_id} (${effect.job_state})`,
  });
}
