/** `longshore partners pause`, `resume`, `breaker` and `test`: what operators decide about the calls of a partner. */
import { Argument, type Command } from 'commander';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { PROPOSE_OPTION, propose } from '#cli/propose.ts';
import { formatFields } from '#cli/terminal.ts';
import { type PartnerControlView, partnerControlSchema, partnerTestSchema } from '#shared/api/partner-control.ts';
import { pathOf } from './definition-versions.ts';

const REASON = ['--reason <text>', 'why; kept in the audit'] as const;

export function addPartnerControl(partners: Command, cli: Cli): void {
  const pauses = [
    ['pause', 'stop all calls of a partner (NAME or TENANT/NAME); what calls it waits and counts no attempt'],
    ['resume', 'let calls of a paused partner pass again; the first one of each worker is a trial'],
  ] as const;
  for (const [verb, description] of pauses) {
    addCommand<{ reason: string; propose?: true }>(partners, cli, {
      usage: `${verb} <partner>`,
      description,
      define: (command) => command.requiredOption(...REASON).option(...PROPOSE_OPTION),
      run: async (context, { reason, propose: isProposal }, [reference = '']) => {
        const path = await pathOf(context, { plural: 'partners', reference });
        if (isProposal) return await propose(context, { method: 'POST', path: `${path}/${verb}`, body: {}, reason });
        await show(
          context,
          path,
          await context.api.post(`${path}/${verb}`, partnerControlSchema, { body: { reason } }),
        );
      },
    });
  }

  addCommand<{ reason: string; for?: string; propose?: true }>(partners, cli, {
    usage: 'breaker <partner>',
    description: 'open the breaker of a partner in all workers, or close it so that the next call of each is a trial',
    define: (command) =>
      command
        .addArgument(new Argument('<state>', 'what it is to be').choices(['open', 'closed']))
        .option('--for <duration>', 'of open, such as 30m or 2h; until it is closed when absent')
        .requiredOption(...REASON)
        .option(...PROPOSE_OPTION),
    run: async (context, { reason, for: duration, propose: isProposal }, [reference = '', state = '']) => {
      const path = await pathOf(context, { plural: 'partners', reference });
      const change = { state, ...(duration !== undefined && { for: duration }) };
      if (isProposal) return await propose(context, { method: 'POST', path: `${path}/breaker`, body: change, reason });
      const body = { ...change, reason };
      await show(context, path, await context.api.post(`${path}/breaker`, partnerControlSchema, { body }));
    },
  });

  addCommand<{ operation?: string }>(partners, cli, {
    usage: 'test <partner>',
    description: 'call a partner once, by an operation that its definition has a `test` for',
    define: (command) => command.option('--operation <name>', 'which one; the first that has a `test` when absent'),
    run: async (context, { operation }, [reference = '']) => {
      const { api, isJson, terminal } = context;
      const path = await pathOf(context, { plural: 'partners', reference });
      const body = operation === undefined ? {} : { operation };
      const tested = await api.post(`${path}/test`, partnerTestSchema, { body });
      if (!tested.ok) context.exitWith(EXIT.needsAttention);
      if (isJson) return terminal.json(tested);
      const { ok, http_status: status, took_ms: ms, cause, message } = tested;
      const fields = {
        operation: tested.operation,
        outcome: ok ? 'success' : tested.outcome,
        status: status ?? 'no reply',
        took: `${ms} ms`,
        ...(cause !== null && { cause }),
        ...(message !== null && { message }),
        'request id': tested.request_id,
      };
      for (const line of formatFields(fields)) terminal.line(line);
    },
  });
}

async function show(context: CommandContext, path: string, control: PartnerControlView): Promise<void> {
  const { isJson, terminal } = context;
  if (isJson) return terminal.json(control);
  const [, , , , tenant = ''] = path.split('/');
  for (const line of formatFields(await controlFields(context, decodeURIComponent(tenant), control)))
    terminal.line(line);
}

export async function controlFields(
  context: CommandContext,
  tenant: string,
  { paused, breaker }: PartnerControlView,
): Promise<Record<string, string>> {
  const times = await context.times(tenant);
  const by = (held: NonNullable<PartnerControlView['paused']>) =>
    held.by === null ? '' : ` by ${held.by}: ${held.reason ?? ''}`;
  return {
    calls: paused === null ? 'pass' : `paused since ${times.show(paused.since)}${by(paused)}`,
    'breaker by hand':
      breaker === null
        ? 'not open'
        : `open ${breaker.until === null ? 'until it is closed' : `until ${times.show(breaker.until)}`}${by(breaker)}`,
  };
}
