/** `longshore timeline`: what happened to a file, in one order. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount, parseList } from '#cli/parse-option.ts';
import { TIME_FORMS } from '#cli/times.ts';
import { TIMELINE_KINDS, type TimelineLine, timelinePageSchema } from '#shared/api/timeline.ts';

const foundSchema = z.looseObject({ file_id: z.guid() });
/** Each attempt is in the line of what its step came to. */
const SHOWN: readonly string[] = TIMELINE_KINDS.filter((kind) => kind !== 'attempt');

interface TimelineOptions {
  readonly kinds?: readonly string[];
  readonly from?: string;
  readonly newest?: boolean;
  readonly limit: number;
}

export function addTimeline(program: Command, cli: Cli): void {
  addCommand<TimelineOptions>(program, cli, {
    usage: 'timeline <file>',
    description: 'show what happened to a file, oldest first; by id, name or path',
    define: (command) =>
      command
        .option('--kinds <kind...>', `one or more of ${TIMELINE_KINDS.join(', ')}`, parseList)
        .option('--from <time>', `only since then: ${TIME_FORMS}`)
        .option('--newest', 'newest first')
        .option('--limit <count>', 'how many lines at most', parseCount, 1_000),
    run: async (context, { kinds = SHOWN, from, newest, limit: most }, [reference = '']) => {
      const { file_id: id } = await context.api.get('/status', foundSchema, { query: { file_id: reference } });
      const times = await context.times();
      const query = {
        kinds: kinds.join(),
        from: from && times.parse(from),
        order: newest === true ? 'newest' : 'oldest',
      };
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get(`/api/v1/files/${id}/timeline`, timelinePageSchema, {
            query: { ...query, ...page },
          });
          return { entries: reply.lines, next: reply.next_cursor };
        },
        headings: ['TIME', 'TOOK', 'EVENT', 'ROUTE', 'STEP', 'BY', 'WHAT'],
        rowOf: (line) => [
          times.show(line.at),
          tookOf(line),
          line.type,
          line.branch === null ? line.route : `${line.route}, ${line.branch}`,
          line.step,
          line.actor,
          wordsOf(line),
        ],
        what: 'lines',
        filters: { others: [kinds === SHOWN ? undefined : kinds, from] },
      });
    },
  });
}

function tookOf({ at, ended_at: end }: TimelineLine): string | undefined {
  if (end === null) return undefined;
  const ms = Date.parse(end) - Date.parse(at);
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

function wordsOf({ count, outcome, error, reason, detail }: TimelineLine): string {
  const waitsFor = typeof detail.waitsFor === 'string' ? `for ${detail.waitsFor}` : null;
  const parts = [
    count === 1 ? null : `${count} calls`,
    outcome,
    waitsFor,
    error?.code,
    error?.cause,
    reason ?? error?.message,
  ];
  return parts.filter((part) => part !== null && part !== undefined).join(' ');
}
