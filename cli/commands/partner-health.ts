/** `longshore partners health`: how a partner's calls go, and what waits for it. */
import type { Command } from 'commander';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { formatFields, formatTable } from '#cli/terminal.ts';
import { partnerHealthSchema } from '#shared/api/partner-health.ts';
import { pathOf } from './definition-versions.ts';
import { controlFields } from './partner-control.ts';

export function addPartnerHealth(partners: Command, cli: Cli): void {
  addCommand<{ window?: string }>(partners, cli, {
    usage: 'health <partner>',
    description: 'show how the calls of a partner (NAME or TENANT/NAME) go, its breakers and what waits for it',
    define: (command) => command.option('--window <duration>', 'back from now, such as 15m (the default) or 24h'),
    run: async (context, { window }, [reference = '']) => {
      const { api, isJson, terminal } = context;
      const path = await pathOf(context, { plural: 'partners', reference });
      const health = await api.get(`${path}/health`, partnerHealthSchema, { query: { window } });
      if (isJson) return terminal.json(health);
      const times = await context.times(health.customer_id);
      const { calls, waiting, limits, held_up: heldUp } = health;
      const { calls: passing, ...byHand } = await controlFields(context, health.customer_id, health.control);
      const fields = {
        partner: `${health.customer_id}/${health.name}`,
        calls: `${calls.total} in ${health.window_seconds} s, ${calls.per_second} a second`,
        'limit, by second': limits.rate_per_second ?? 'none',
        'p50, p95, p99': calls.p50_ms === null ? 'no calls' : `${calls.p50_ms}, ${calls.p95_ms}, ${calls.p99_ms} ms`,
        'calls now': passing,
        ...byHand,
        'last call': health.last_call_at === null ? 'never called yet' : times.show(health.last_call_at),
        'jobs held up': heldUp.jobs,
        'records waiting': waiting.records,
        ...(waiting.oldest_since !== null && { 'oldest since': times.show(waiting.oldest_since) }),
      };
      for (const line of formatFields(fields)) terminal.line(line);
      if (health.secrets.length > 0) {
        terminal.line('');
        const rows = health.secrets.map((secret) => [
          secret.name,
          secret.state,
          ...[secret.changed_at, secret.ends_at].map((at) => (at === null ? null : times.show(at))),
        ]);
        for (const line of formatTable(['SECRET', 'STATE', 'CHANGED', 'ENDS'], rows)) terminal.line(line);
      }
      if (health.replies.length > 0) {
        terminal.line('');
        const rows = health.replies.map((reply) => [
          reply.outcome,
          reply.http_status ?? 'no reply',
          reply.cause ?? null,
          reply.calls,
        ]);
        for (const line of formatTable(['OUTCOME', 'STATUS', 'CAUSE', 'CALLS'], rows)) terminal.line(line);
      }
      if (health.breakers.length > 0) {
        terminal.line('');
        const rows = health.breakers.map((breaker) => [
          breaker.worker,
          breaker.open_until === null ? 'closed' : `open until ${times.show(breaker.open_until)}`,
          times.show(breaker.since),
        ]);
        for (const line of formatTable(['WORKER', 'BREAKER', 'SINCE'], rows)) terminal.line(line);
      }
    },
  });
}
