/** `longshore health`: the fleet at a glance. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { formatTable } from '#cli/terminal.ts';

const healthSchema = z.looseObject({
  is_healthy: z.boolean(),
  problems: z.array(z.string()),
  version: z.string(),
  services: z.array(z.looseObject({ service: z.string(), sessions: z.number(), versions: z.array(z.string()) })),
  queues: z.array(
    z.looseObject({
      queue: z.string(),
      messages: z.number().nullable(),
      dead_letters: z.number().nullable(),
      oldest_due_seconds: z.number().nullable(),
    }),
  ),
  needs_person: z.object({
    held_jobs: z.number(),
    blocked_lines: z.number(),
    parked_dead_letters: z.number(),
    parked_notices: z.number(),
  }),
});
type Health = z.infer<typeof healthSchema>;

const LISTED_BY: Readonly<Record<keyof Health['needs_person'], readonly [one: string, many: string, command: string]>> =
  {
    held_jobs: ['held job', 'held jobs', 'longshore jobs --held'],
    blocked_lines: [
      'ordered route blocked by a failed file',
      'ordered routes blocked by failed files',
      'longshore jobs --state failed',
    ],
    parked_dead_letters: ['parked dead letter', 'parked dead letters', 'longshore dead-letters --state parked'],
    parked_notices: ['parked notice', 'parked notices', 'longshore notices --parked'],
  };

export function addHealth(program: Command, cli: Cli): void {
  addCommand(program, cli, {
    usage: 'health',
    description: 'show the fleet at a glance: services, versions, queues, what is overdue and what needs attention',
    run: async ({ api, isJson, terminal, exitWith }) => {
      const health = await api.get('/api/v1/health', healthSchema);
      const needs = Object.entries(health.needs_person).filter(([, count]) => count > 0);
      if (!health.is_healthy || needs.length > 0) exitWith(EXIT.needsAttention);
      if (isJson) return terminal.json(health);
      for (const line of describe(health)) terminal.line(line);
      for (const [name, count] of needs) {
        const [one, many, command] = LISTED_BY[name as keyof Health['needs_person']];
        terminal.line(`Needs a person: ${count} ${count === 1 ? one : many}; see \`${command}\`.`);
      }
      for (const problem of health.problems) terminal.line(`Problem: ${problem}`);
      if (health.is_healthy && needs.length === 0) terminal.line('All is well.');
    },
  });
}

function describe({ services, queues }: Health): string[] {
  const serviceRows = services.map(({ service, sessions, versions }) => [
    service,
    sessions > 0 ? 'connected' : 'not connected',
    versions.join(', ') || null,
  ]);
  const queueRows = queues.map((queue) => [
    queue.queue,
    queue.messages,
    queue.dead_letters,
    queue.oldest_due_seconds === null ? null : `${queue.oldest_due_seconds} s`,
  ]);
  return [
    ...formatTable(['SERVICE', 'STATE', 'VERSION'], serviceRows),
    '',
    ...formatTable(['QUEUE', 'WAITING', 'DEAD', 'OLDEST DUE'], queueRows),
    '',
  ];
}
