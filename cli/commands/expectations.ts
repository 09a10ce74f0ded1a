/** `longshore expectations`, `calendars` and `occurrences`: what is to come, what came, and a person's decision about it. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseList } from '#cli/parse-option.ts';
import { formatFields } from '#cli/terminal.ts';
import { APPLIED_COLUMNS, addDefinitionList, appliedSchema, VERSION_COLUMN } from './definition-list.ts';

const dueSchema = z.looseObject({
  at: z.string().optional(),
  cron: z.string().optional(),
  calendar: z.string().optional(),
});
const expectationSchema = appliedSchema.extend({
  definition: z.looseObject({ match: z.array(z.string()), due: dueSchema }),
});
const daysSchema = z.looseObject({
  timeZone: z.string(),
  weekdays: z.array(z.string()),
  holidays: z.array(z.string()),
});
const calendarSchema = appliedSchema.extend({ days: daysSchema });
const occurrenceSchema = z.looseObject({
  occurrence_id: z.string(),
  customer_id: z.string(),
  expectation: z.string(),
  state: z.string(),
  at_risk: z.boolean(),
  opens_at: z.string(),
  due_at: z.string(),
  closes_at: z.string(),
  met_at: z.string().nullable(),
  needed: z.number(),
  files: z.array(z.string()),
  file_count: z.number(),
  oddities: z.array(z.string()),
  note: z.string().nullable(),
  noted_by: z.string().nullable(),
});
type Occurrence = z.infer<typeof occurrenceSchema>;
const occurrencePageSchema = z.object({ occurrences: z.array(occurrenceSchema), next_cursor: z.string().nullable() });

interface OccurrenceOptions {
  readonly tenant?: string;
  readonly expectation?: string;
  readonly state?: string[];
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
}

export function addExpectations(program: Command, cli: Cli): void {
  addDefinitionList(program, cli, {
    plural: 'expectations',
    description: 'list which files are expected, and when they are due',
    entry: expectationSchema,
    columns: {
      ...VERSION_COLUMN,
      DUE: ({ definition: { due } }) => due.at ?? due.cron ?? null,
      CALENDAR: ({ definition: { due } }) => due.calendar ?? 'every day',
      MATCH: ({ definition: { match } }) => match.join(' '),
      ...APPLIED_COLUMNS,
    },
  });
  addDefinitionList(program, cli, {
    plural: 'calendars',
    description: 'list calendars of business days',
    entry: calendarSchema,
    columns: {
      ...VERSION_COLUMN,
      'TIME ZONE': ({ days: { timeZone } }) => timeZone,
      DAYS: ({ days: { weekdays } }) => weekdays.join(' '),
      'HOLIDAYS UNTIL': ({ days: { holidays } }) => holidays.toSorted().at(-1) ?? 'none',
      ...APPLIED_COLUMNS,
    },
  });

  const occurrences = addCommand<OccurrenceOptions>(program, cli, {
    usage: 'occurrences',
    description: 'list due times and received files, by default from yesterday to one week ahead',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only those of this tenant')
        .option('--expectation <name>', 'only those of this expectation')
        .option('--state <state...>', 'one or more of pending, open, met, late, met_late, missed, excused', parseList)
        .option('--from <time>', 'due at or after it')
        .option('--to <time>', 'due at or before it')
        .option('--limit <count>', 'how many at most', parseCount, 100),
    run: async (context, { tenant, expectation, state, from, to, limit }) => {
      const times = await context.times(tenant);
      await listEntries(context, {
        most: limit,
        readPage: async (page) => {
          const range = { from: from && times.parse(from), to: to && times.parse(to) };
          const query = { tenant, expectation, state: state?.join(','), ...range, ...page };
          const reply = await context.api.get('/api/v1/occurrences', occurrencePageSchema, { query });
          return { entries: reply.occurrences, next: reply.next_cursor };
        },
        headings: ['OCCURRENCE', 'TENANT', 'EXPECTATION', 'DUE', 'STATE', 'FILES', 'ODD', 'NOTE'],
        rowOf: (each) => [
          each.occurrence_id,
          each.customer_id,
          each.expectation,
          times.show(each.due_at),
          stateOf(each),
          `${each.file_count} of ${each.needed}`,
          each.oddities.join(' '),
          each.note ?? null,
        ],
        what: 'occurrences',
        filters: { tenant, others: [expectation, state?.join(), from, to] },
      });
    },
  });
  occurrences.enablePositionalOptions();

  addCommand<{ reason: string }>(occurrences, cli, {
    usage: 'excuse <occurrence>',
    description: 'say that the files will not come this time',
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async ({ api, isJson, terminal }, { reason }, [id = '']) => {
      const occurrence = await api.post(`${pathOf(id)}/excuse`, occurrenceSchema, { body: { reason } });
      if (isJson) terminal.json(occurrence);
      else for (const line of describe(occurrence)) terminal.line(line);
    },
  });

  addCommand<{ reason: string }>(occurrences, cli, {
    usage: 'link <occurrence> <file>',
    description: 'say that a file is one that was expected, whatever its path',
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async ({ api, isJson, terminal }, { reason }, [id = '', file_id = '']) => {
      const occurrence = await api.post(`${pathOf(id)}/link`, occurrenceSchema, { body: { file_id, reason } });
      if (isJson) terminal.json(occurrence);
      else for (const line of describe(occurrence)) terminal.line(line);
    },
  });
}

function pathOf(id: string): string {
  return `/api/v1/occurrences/${encodeURIComponent(id)}`;
}

function stateOf({ state, at_risk }: Occurrence): string {
  return at_risk ? 'open, at risk' : state.toLowerCase().replace('_', ' ');
}

function describe(occurrence: Occurrence): string[] {
  return formatFields({
    occurrence: occurrence.occurrence_id,
    expectation: `${occurrence.customer_id}/${occurrence.expectation}`,
    state: stateOf(occurrence),
    due: occurrence.due_at,
    files: `${occurrence.file_count} of ${occurrence.needed}`,
    note: occurrence.note,
  });
}
