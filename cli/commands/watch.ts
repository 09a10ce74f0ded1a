/** `longshore watch`: files, copies and actions as they change, a line each. */
import type { Command } from 'commander';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { parseCount } from '#cli/parse-option.ts';
import { liveEventSchema } from '#shared/api/live.ts';

interface WatchOptions {
  readonly file?: string[];
  readonly action?: string[];
  readonly events?: number;
}

export function addWatch(program: Command, cli: Cli): void {
  addCommand<WatchOptions>(program, cli, {
    usage: 'watch',
    description: 'show files as they change, until you end it; `status FILE --watch` follows one with its copies',
    define: (command) =>
      command
        .option('--file <id...>', 'only these files')
        .option('--action <id...>', 'only these actions')
        .option('--events <count>', 'end after this many events', parseCount),
    run: async (context, { file = [], action = [], events: most = Number.POSITIVE_INFINITY }) => {
      const named = [...file.map((id) => `file:${id}`), ...action.map((id) => `action:${id}`)];
      const topics = (named.length === 0 ? ['files', 'actions'] : named).join();
      const times = await context.times();
      let shown = 0;
      for await (const streamed of context.api.follow('/api/v1/live', { topics })) {
        const parsed = liveEventSchema.safeParse(streamed);
        // What a newer version tells besides is passed over.
        if (!parsed.success || parsed.data.event === 'ready') continue;
        if (context.isJson) context.terminal.write(`${JSON.stringify(parsed.data)}\n`);
        else context.terminal.line(describe(parsed.data, times.show));
        shown += 1;
        if (shown >= most || parsed.data.event === 'session-ends') break;
      }
    },
  });
}

function describe(live: ReturnType<typeof liveEventSchema.parse>, show: (instant: string) => string | null): string {
  switch (live.event) {
    case 'changed':
      return `${show(live.data.at)}  ${live.data.file_id}  ${live.data.status}`;
    case 'progress': {
      const { file_id: id, purpose, bytes_done: done, bytes_total: total } = live.data;
      return `${id}  ${purpose} ${done} of ${total ?? 'an unknown number of'} bytes`;
    }
    case 'action': {
      const { action_id: id, state, done, refused, takes } = live.data;
      return `${id}  ${state}  ${done} done, ${refused} refused of ${takes}`;
    }
    case 'many':
      return `${live.data.topic}: many changes, not shown one by one`;
    case 'reset':
      return 'some changes were missed';
    case 'session-ends':
      return 'the key may not see more';
    default:
      return live.event;
  }
}
