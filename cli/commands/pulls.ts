/** `longshore pulls`, `pull`, `sources` and `remotes`: files fetched from partners' servers. */
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { EXIT } from '#cli/exit-codes.ts';
import { listEntries } from '#cli/list-entries.ts';
import { parseCount } from '#cli/parse-option.ts';
import { addDefinitionList } from './definition-list.ts';

const pullSchema = z.looseObject({
  jobId: z.string(),
  tenant: z.string(),
  project: z.string(),
  pipeline: z.string(),
  status: z.string(),
  transferStage: z.string(),
  remote: z.string(),
  generation: z.number(),
  file: z.object({ fileName: z.string(), remotePath: z.string() }),
  s3: z.object({ bucket: z.string(), key: z.string() }).nullable(),
  error: z.object({ code: z.string(), cause: z.string(), message: z.string() }).nullable(),
  fileId: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
type Pull = z.infer<typeof pullSchema>;
const pullPageSchema = z.object({ pulls: z.array(pullSchema), next_cursor: z.string().nullable() });

const remoteSchema = z.looseObject({
  customer_id: z.string(),
  name: z.string(),
  definition: z.looseObject({ type: z.string().optional(), host: z.string().optional() }),
  state: z.string(),
  error_code: z.string().nullable(),
  connections: z.number(),
  certificate_ends_at: z.string().nullable(),
});
const sourceSchema = z.looseObject({
  customer_id: z.string(),
  name: z.string(),
  definition: z.looseObject({ remote: z.string().optional(), directory: z.string().optional() }),
  listed_at: z.string().nullable(),
  listed_files: z.number().nullable(),
  next_listing_at: z.string().nullable(),
  error_code: z.string().nullable(),
});
const testSchema = z.object({
  ok: z.boolean(),
  identity: z
    .object({ fingerprint: z.string(), trusted: z.boolean(), certificate_ends_at: z.string().nullable() })
    .nullable(),
  places: z.array(
    z.object({
      path: z.string(),
      entries: z.array(z.object({ name: z.string(), size_bytes: z.number().nullable() })),
      has_more: z.boolean(),
    }),
  ),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

const TENANT = ['--tenant <tenant>', 'only those of this tenant'] as const;

export function addPullCommands(program: Command, cli: Cli): void {
  addPulls(program, cli);
  addSources(program, cli);
  addRemotes(program, cli);
}

function addPulls(program: Command, cli: Cli): void {
  interface Options {
    readonly tenant?: string;
    readonly status?: string;
    readonly remote?: string;
    readonly source?: string;
    readonly project?: string;
    readonly limit: number;
  }
  addCommand<Options>(program, cli, {
    usage: 'pulls',
    description: 'list the files fetched from remotes, newest first',
    define: (command) =>
      command
        .option(...TENANT)
        .option('--status <status>', 'SEEN, TRIGGERED, RUNNING, COMPLETED, ERROR or SKIPPED')
        .option('--remote <remote>', 'only those of this remote')
        .option('--source <source>', 'only those that this source found')
        .option('--project <project>', 'only those of this project')
        .option('--limit <count>', 'how many at most', parseCount, 50),
    run: async (context, { limit: most, ...filters }) => {
      const times = await context.times(filters.tenant);
      await listEntries(context, {
        most,
        readPage: async (page) => {
          const reply = await context.api.get('/api/v1/pulls', pullPageSchema, { query: { ...filters, ...page } });
          return { entries: reply.pulls, next: reply.next_cursor };
        },
        headings: ['PULL', 'TENANT', 'REMOTE', 'FILE', 'STATUS', 'STAGE', 'UPDATED', 'ERROR'],
        rowOf: (pull) => [
          pull.jobId,
          pull.tenant,
          pull.remote,
          pull.file.remotePath,
          pull.status,
          pull.transferStage,
          times.show(pull.updatedAt),
          pull.error?.cause ?? null,
        ],
        what: 'pulls',
        filters: { tenant: filters.tenant, others: [filters.status, filters.remote, filters.source, filters.project] },
      });
    },
  });

  const pull = addCommand(program, cli, {
    usage: 'pull <id>',
    description: 'show one file fetched from a remote',
    run: async (context, _options, [id = '']) =>
      show(context, await context.api.get(`/api/v1/pulls/${encodeURIComponent(id)}`, pullSchema)),
  });

  addCommand<{ tenant?: string; project: string; pipeline?: string; remote: string }>(pull, cli, {
    usage: 'request <path>',
    description: 'fetch one file of a remote now',
    define: (command) =>
      command
        .requiredOption('--remote <remote>', 'where it is')
        .requiredOption('--project <project>', 'what it belongs to; the first part of its key')
        .option('--pipeline <pipeline>', 'what uses it')
        .option('--tenant <tenant>', 'whose remote it is; needed by operators'),
    run: async (context, options, [remotePath = '']) =>
      show(context, await context.api.post('/api/v1/pulls', pullSchema, { body: { ...options, remotePath } })),
  });

  addCommand<{ reason: string }>(pull, cli, {
    usage: 'retrigger <id>',
    description: 'run a pull that has ended again, as its next generation',
    define: (command) => command.requiredOption('--reason <text>', 'why; kept in the audit'),
    run: async (context, { reason }, [id = '']) => {
      const path = `/api/v1/pulls/${encodeURIComponent(id)}/retrigger`;
      show(context, await context.api.post(path, pullSchema, { body: { reason } }));
    },
  });
}

function show({ isJson, terminal }: CommandContext, pull: Pull): void {
  if (isJson) {
    terminal.json(pull);
    return;
  }
  terminal.line(`pull ${pull.jobId} of ${pull.tenant}, project ${pull.project}`);
  terminal.line(`  ${pull.remote}:${pull.file.remotePath}`);
  terminal.line(`  ${pull.status}, ${pull.transferStage}, generation ${pull.generation}`);
  if (pull.s3 !== null) terminal.line(`  s3://${pull.s3.bucket}/${pull.s3.key}`);
  if (pull.fileId !== null) terminal.line(`  file ${pull.fileId}`);
  if (pull.error !== null) terminal.line(`  ${pull.error.code}, ${pull.error.cause}: ${pull.error.message}`);
}

function addSources(program: Command, cli: Cli): void {
  addDefinitionList(program, cli, {
    plural: 'sources',
    description: 'list the sources that find files at remotes',
    entry: sourceSchema,
    columns: {
      REMOTE: ({ definition }) => definition.remote ?? null,
      DIRECTORY: ({ definition }) => definition.directory ?? null,
      LISTED: ({ listed_at }, show) => show(listed_at),
      FILES: ({ listed_files }) => listed_files ?? null,
      NEXT: ({ next_listing_at }, show) => show(next_listing_at),
      ERROR: ({ error_code }) => error_code ?? null,
    },
  });
}

function addRemotes(program: Command, cli: Cli): void {
  const remotes = addDefinitionList(program, cli, {
    plural: 'remotes',
    description: 'list the servers that files are fetched from and brought to',
    entry: remoteSchema,
    columns: {
      TYPE: ({ definition }) => definition.type ?? null,
      HOST: ({ definition }) => definition.host ?? null,
      STATE: ({ state }) => state,
      CONNECTIONS: ({ connections }) => connections,
      'CERTIFICATE ENDS': ({ certificate_ends_at }, show) => show(certificate_ends_at),
      ERROR: ({ error_code }) => error_code ?? null,
    },
  });

  addCommand<{ tenant: string }>(remotes, cli, {
    usage: 'test <name>',
    description: 'connect to a remote, show its key or certificate without trusting it, and list its places',
    define: (command) => command.requiredOption('--tenant <tenant>', 'whose remote it is'),
    run: async (context, { tenant }, [name = '']) => {
      const { isJson, terminal } = context;
      const path = `/api/v1/remotes/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}/test`;
      const tested = await context.api.post(path, testSchema, { body: {} });
      if (!tested.ok) context.exitWith(EXIT.needsAttention);
      if (isJson) return terminal.json(tested);
      const { identity, places, error } = tested;
      if (identity !== null)
        terminal.line(
          `${identity.fingerprint}  ${identity.trusted ? 'is what the definition trusts' : 'is NOT what the definition trusts'}`,
        );
      for (const { path: place, entries, has_more: hasMore } of places) {
        terminal.line(`${place}  ${entries.length}${hasMore ? ' or more' : ''} entries`);
        for (const entry of entries) terminal.line(`  ${entry.name}  ${entry.size_bytes ?? ''}`);
      }
      if (error !== null) terminal.line(`${error.code}: ${error.message}`);
    },
  });
}
