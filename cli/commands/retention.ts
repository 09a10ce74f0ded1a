/** `longshore retention`, `longshore legal-hold` and `longshore restore`: what expires when, what is kept, what comes back. */
import type { Command } from 'commander';
import prettyBytes from 'pretty-bytes';
import { z } from 'zod';
import { addCommand, type Cli } from '#cli/command-context.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { findFileId } from '#cli/find-by-name.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { formatFields } from '#cli/terminal.ts';
import { TIME_FORMS } from '#cli/times.ts';
import { formatDuration } from '#shared/definitions/duration.ts';

const period = z.number().nullable();
const retentionSchema = z.object({
  default_files_seconds: period,
  tenants: z.array(
    z.object({
      customer_id: z.string(),
      files_seconds: period,
      objects_seconds: period,
      routes: z.array(z.object({ route: z.string(), files_seconds: period, objects_seconds: period })),
      expired: z.number(),
      within_day: z.number(),
      within_month: z.number(),
      next_at: z.string().nullable(),
      holds: z.number(),
      is_held: z.boolean(),
      is_dating: z.boolean(),
    }),
  ),
  objects_waiting: z.number(),
});
const holdSchema = z.object({
  ...{ hold_id: z.string(), customer_id: z.string(), route: z.string().nullable(), file_id: z.string().nullable() },
  ...{ reason: z.string(), placed_by: z.string(), placed_at: z.string(), released_at: z.string().nullable() },
});
const certificateSchema = z.object({
  ...{ certificate_id: z.string(), customer_id: z.string(), what: z.string(), rule: z.string(), digest: z.string() },
  ...{ files: z.number(), jobs: z.number(), bytes: z.number(), objects: z.number(), objects_left: z.number() },
  ...{
    finished_from: z.string(),
    finished_to: z.string(),
    deleted_at: z.string(),
    completed_at: z.string().nullable(),
    audit: z.string(),
  },
});
const restoreSchema = z.object({
  ...{ file_id: z.string(), state: z.string(), tier: z.string(), days: z.number(), resend: z.boolean() },
  ...{ reason: z.string(), asked_by: z.string(), asked_at: z.string(), readable_until: z.string().nullable() },
  ...{ code: z.string().nullable(), message: z.string().nullable() },
});

const REASON = ['--reason <text>', 'why; kept in the audit'] as const;

export function addRetention(program: Command, cli: Cli): void {
  const retention = addCommand<{ tenant?: string }>(program, cli, {
    usage: 'retention',
    description: 'show for how long files are kept, and how many expire when',
    define: (command) => command.option('--tenant <tenant>', 'only this tenant'),
    run: async (context, { tenant }) => {
      const { api, terminal } = context;
      const times = await context.times(tenant);
      const reply = await api.get('/api/v1/retention', retentionSchema, { query: { tenant } });
      await listEntries(context, {
        most: Number.POSITIVE_INFINITY,
        readPage: async () => ({ entries: reply.tenants, next: null }),
        headings: ['TENANT', 'FILES', 'OBJECTS', 'EXPIRED', 'IN 1 D', 'IN 30 D', 'NEXT', 'HOLDS', 'ROUTES'],
        rowOf: (entry) => [
          ...[entry.customer_id, show(entry.files_seconds), show(entry.objects_seconds)],
          ...[entry.expired, entry.within_day, entry.within_month, times.show(entry.next_at)],
          entry.is_held ? `${entry.holds}, all held` : entry.holds,
          entry.routes
            .map((route) => `${route.route} ${show(route.files_seconds ?? route.objects_seconds)}`)
            .join(', '),
        ],
        what: 'tenants',
        filters: { tenant },
      });
      if (context.isJson) return;
      if (reply.tenants.some((entry) => entry.is_dating))
        terminal.note('Files are being dated by a changed retention.');
      if (reply.objects_waiting > 0) terminal.note(`${reply.objects_waiting} objects wait to be deleted by the store.`);
    },
  });
  retention.enablePositionalOptions();

  addCommand<{ tenant?: string; from?: string; to?: string; limit: number }>(retention, cli, {
    usage: 'certificates',
    description: 'list what was deleted, by which rule, and whether the audit says the same; newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only of this tenant')
        .option('--from <time>', `deleted since then: ${TIME_FORMS}`)
        .option('--to <time>', 'deleted until then')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { tenant, from, to, limit: most }) => {
      const times = await context.times(tenant);
      const range = { from: from && times.parse(from), to: to && times.parse(to) };
      const schema = z.object({ certificates: z.array(certificateSchema), next_cursor: z.string().nullable() });
      let altered = 0;
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const query = { tenant, ...range, ...page };
          const reply = await context.api.get('/api/v1/deletion-certificates', schema, { query });
          altered += reply.certificates.filter(({ audit }) => audit === 'differs' || audit === 'missing').length;
          return { entries: reply.certificates, next: reply.next_cursor };
        },
        headings: [
          'DELETED',
          'TENANT',
          'WHAT',
          'RULE',
          'FILES',
          'JOBS',
          'SIZE',
          'ENDED FROM',
          'TO',
          'OBJECTS',
          'LEFT',
          'AUDIT',
          'DIGEST',
        ],
        rowOf: (entry) => [
          ...[times.show(entry.deleted_at), entry.customer_id, entry.what, entry.rule, entry.files, entry.jobs],
          ...[prettyBytes(entry.bytes), times.show(entry.finished_from), times.show(entry.finished_to)],
          ...[entry.objects, entry.objects_left, entry.audit, entry.digest],
        ],
        what: 'certificates',
        filters: { tenant, others: [from, to] },
      });
      if (altered === 0) return;
      context.exitWith(EXIT.needsAttention);
      context.terminal.note(`${altered} of them are not what the audit says: longshore audit verify`);
    },
  });
}

/** Null: for good. */
function show(seconds: number | null): string {
  return seconds === null ? 'for good' : formatDuration(seconds * 1_000);
}

interface HoldOptions {
  readonly tenant?: string;
  readonly route?: string;
  readonly file?: string;
  readonly reason: string;
}

export function addLegalHold(program: Command, cli: Cli): void {
  const holds = program.command('legal-hold').description('keep files from being deleted, whatever their age');

  addCommand<HoldOptions>(holds, cli, {
    usage: 'add',
    description: 'hold everything of a tenant, of one of its routes, or one file',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'everything of it, or with --route of that route')
        .option('--route <route>', 'of the tenant')
        .option('--file <file>', 'by id, name or path')
        .requiredOption(...REASON),
    run: async (context, { tenant, route, file, reason }) => {
      const fileId = file === undefined ? undefined : await findFileId(context, file);
      const body = { tenant, route, file_id: fileId, reason };
      const hold = await context.api.post('/api/v1/legal-holds', holdSchema, { body });
      if (context.isJson) context.terminal.json(hold);
      else context.terminal.line(`${hold.hold_id} holds ${scopeOf(hold)}`);
    },
  });

  addCommand<{ tenant?: string; all?: boolean; limit: number }>(holds, cli, {
    usage: 'list',
    description: 'list legal holds, newest first',
    define: (command) =>
      command
        .option('--tenant <tenant>', 'only of this tenant')
        .option('--all', 'those that were released, too')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { tenant, all, limit: most }) => {
      const times = await context.times(tenant);
      const schema = z.object({ holds: z.array(holdSchema), next_cursor: z.string().nullable() });
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/legal-holds', schema, { query: { tenant, all, ...page } });
          return { entries: reply.holds, next: reply.next_cursor };
        },
        headings: ['HOLD', 'HOLDS', 'SINCE', 'BY', 'RELEASED', 'REASON'],
        rowOf: (hold) => [
          ...[hold.hold_id, scopeOf(hold), times.show(hold.placed_at), hold.placed_by],
          ...[times.show(hold.released_at), hold.reason],
        ],
        what: 'legal holds',
        filters: { tenant },
      });
    },
  });

  addCommand<{ reason: string }>(holds, cli, {
    usage: 'remove <hold>',
    description: 'release a hold: what it kept may be deleted again',
    define: (command) => command.requiredOption(...REASON),
    run: async ({ api, isJson, terminal }, { reason }, [id = '']) => {
      const path = `/api/v1/legal-holds/${encodeURIComponent(id)}/release`;
      const hold = await api.post(path, holdSchema, { body: { reason } });
      if (isJson) terminal.json(hold);
      else terminal.line(`${hold.hold_id} no longer holds ${scopeOf(hold)}`);
    },
  });
}

function scopeOf({ customer_id: tenant, route, file_id: file }: z.output<typeof holdSchema>): string {
  if (file !== null) return `file ${file}`;
  return route === null ? tenant : `${tenant}/${route}`;
}

interface RestoreOptions {
  readonly reason?: string;
  readonly days: number;
  readonly tier: string;
  readonly resend?: boolean;
  readonly show?: boolean;
}

export function addRestore(program: Command, cli: Cli): void {
  addCommand<RestoreOptions>(program, cli, {
    usage: 'restore <file>',
    description: 'make an original in a cold tier of the archive readable; by id, name or path',
    define: (command) =>
      command
        .option('--reason <text>', 'why; kept in the audit')
        .option('--days <count>', 'how long the readable copy is kept', parseCount, 7)
        .option('--tier <tier>', 'bulk, standard or expedited', 'standard')
        .option('--resend', 'send its jobs again as new afterwards, when a second person approves it')
        .option('--show', 'only show how far it is'),
    run: async (context, { reason, days, tier, resend, show: isAsking }, [file = '']) => {
      const { api, isJson, terminal } = context;
      const path = `/api/v1/files/${encodeURIComponent(await findFileId(context, file))}/restore`;
      const restore =
        isAsking === true
          ? await api.get(path, restoreSchema)
          : await api.post(path, restoreSchema, { body: { reason, days, tier, resend } });
      if (isJson) return terminal.json(restore);
      const times = await context.times();
      const { file_id: id, asked_at: since, readable_until: until, ...fields } = restore;
      const shown = { file: id, ...fields, asked_at: times.show(since), readable_until: times.show(until) };
      for (const line of formatFields(shown)) terminal.line(line);
      if (restore.state !== 'READY' && restore.state !== 'FAILED')
        terminal.note(`See how far it is: longshore restore ${id} --show`);
    },
  });
}
