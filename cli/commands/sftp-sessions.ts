/** `longshore sftp-sessions` and `longshore sftp-sessions show`. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { TIME_FORMS } from '#cli/times.ts';

const sessionSchema = z.looseObject({
  session_id: z.string(),
  tenant: z.string(),
  username: z.string(),
  client_ip: z.string().nullable(),
  first_at: z.string(),
  last_at: z.string(),
  uploads: z.number(),
  uploaded_bytes: z.number(),
  downloads: z.number(),
  downloaded_bytes: z.number(),
  other_actions: z.number(),
  failures: z.number(),
});
const pageSchema = z.object({ sessions: z.array(sessionSchema), next_cursor: z.string().nullable() });
const detailSchema = z.looseObject({
  tenant: z.string(),
  actions: z.array(
    z.looseObject({
      at: z.string(),
      action: z.string(),
      path: z.string(),
      new_path: z.string().nullable(),
      size_bytes: z.number().nullable(),
      duration_ms: z.number().nullable(),
      failure: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

interface ListOptions {
  readonly tenant?: string;
  readonly user?: string;
  readonly ip?: string;
  readonly failed?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
}

export function addSftpSessions(program: Command, cli: Cli): void {
  const sessions = addCommand<ListOptions>(program, cli, {
    usage: 'sftp-sessions',
    description: 'list SFTP sessions, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only sessions of this tenant')
        .option('--user <name>', 'only sessions of this SFTP user')
        .option('--ip <address>', 'only sessions from this address')
        .option('--failed', 'only sessions in which something failed')
        .option('--from <time>', `begun since then: ${TIME_FORMS}`)
        .option('--to <time>', 'begun before this time')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { tenant, user: username, ip: client_ip, failed, from, to, limit: most }) => {
      const times = await context.times(tenant);
      const query = { tenant, username, client_ip, failed, from: from && times.parse(from), to: to && times.parse(to) };
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/sftp-sessions', pageSchema, { query: { ...query, ...page } });
          return { entries: reply.sessions, next: reply.next_cursor };
        },
        headings: [
          'BEGUN',
          'LAST ACTION',
          'TENANT',
          'USER',
          'FROM',
          'UP',
          'BYTES UP',
          'DOWN',
          'BYTES DOWN',
          'FAILED',
          'ID',
        ],
        rowOf: (each) => [
          times.show(each.first_at),
          times.show(each.last_at),
          each.tenant,
          each.username,
          each.client_ip,
          each.uploads,
          each.uploaded_bytes,
          each.downloads,
          each.downloaded_bytes,
          each.failures,
          each.session_id,
        ],
        what: 'SFTP sessions',
        filters: { tenant, others: [username, client_ip, failed, from, to] },
      });
    },
  });

  addCommand<{ limit: number }>(sessions, cli, {
    usage: 'show <id>',
    description: 'list what was done in a session, oldest first',
    define: (command) => command.option('--limit <count>', 'how many actions at most', parseCount, 200),
    run: async (context, { limit: most }, [id = '']) => {
      const times = await context.times();
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const path = `/api/v1/sftp-sessions/${encodeURIComponent(id)}`;
          const { actions, next_cursor } = await context.api.get(path, detailSchema, { query: { ...page } });
          return { entries: actions, next: next_cursor };
        },
        headings: ['ENDED', 'ACTION', 'PATH', 'BYTES', 'MS', 'FAILURE'],
        rowOf: ({ at, action, path, new_path, size_bytes, duration_ms, failure }) => [
          times.show(at),
          action,
          new_path === null ? path : `${path} -> ${new_path}`,
          size_bytes,
          duration_ms,
          failure,
        ],
        what: 'actions',
      });
    },
  });
}
