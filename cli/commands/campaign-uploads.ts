/** What campaigns begin with is uploaded: `longshore campaigns create` the recipients, `longshore templates put` the mail. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { addCommand, type Cli, type CommandContext } from '#cli/command-context.ts';
import { readNamedFile } from '#cli/read-named-file.ts';
import { LongshoreError } from '#shared/errors.ts';

const uploadSchema = z.object({
  file_id: z.string().optional(),
  upload: z.object({ url: z.string(), method: z.string(), headers: z.record(z.string(), z.string()) }),
});
const UPLOAD_MS = 300_000;

interface CreateOptions {
  readonly template: string;
  readonly sender: string;
  readonly tenant?: string;
  readonly name?: string;
  readonly email?: string;
  readonly topic?: string;
  readonly at?: string;
  readonly timeZone?: string;
  readonly hold?: boolean;
  readonly default?: string[];
}

export function addCreating(campaigns: Command, cli: Cli): void {
  addCommand<CreateOptions>(campaigns, cli, {
    usage: 'create <file>',
    description: 'send one mail to each recipient of a CSV file',
    define: (command) =>
      command
        .requiredOption('--template <template>', 'its id, or id@version')
        .requiredOption('--sender <sender>', 'who it is from')
        .option('--tenant <tenant>', 'with an operator key')
        .option('--name <name>', 'of the campaign')
        .option('--email <column>', 'the column with the addresses (default: email)')
        .option('--topic <topic>', 'what recipients can unsubscribe from (default: of the template)')
        .option('--at <time>', 'send nothing before this time, e.g. 2026-06-01T10:00:00')
        .option('--time-zone <zone>', 'of --at (default: UTC)')
        .option('--hold', 'wait for `campaigns resume`')
        .option('--default <name=value...>', 'value of a variable that a row lacks'),
    run: async (context, options, [file = '']) => {
      const { api, isJson, terminal } = context;
      const { tenant, template, at, timeZone } = options;
      const fileId = await uploadRecipients(context, file, tenant);
      const [id, version] = template.split('@');
      const body = {
        ...{ tenant, template_id: id, ...(version && { template_version: Number(version) }), file_id: fileId },
        ...{ sender: options.sender, name: options.name, topic: options.topic, hold: options.hold === true },
        ...(options.email && { columns: { email: options.email } }),
        ...(options.default && { defaults: pairsOf(options.default) }),
        ...(at && { schedule: { at, ...(timeZone && { time_zone: timeZone }) } }),
      };
      const schema = z.object({ transaction_id: z.string(), status: z.string(), status_url: z.string() });
      const created = await api.post('/api/v1/campaigns', schema, { body });
      if (isJson) return terminal.json(created);
      terminal.line(`${created.transaction_id}  ${created.status}`);
    },
  });
}

export function addTemplates(program: Command, cli: Cli): void {
  const templates = program.command('templates').description('upload mail templates of campaigns');
  addCommand<{ name: string; topic?: string; tenant?: string }>(templates, cli, {
    usage: 'put <file>',
    description: 'upload the next version of a template and check it (.html, .mjml or .json)',
    define: (command) =>
      command
        .requiredOption('--name <name>', 'its id')
        .option('--topic <topic>', 'what recipients can unsubscribe from')
        .option('--tenant <tenant>', 'with an operator key'),
    run: async ({ api, config, isJson, terminal }, { name, topic, tenant }, [file = '']) => {
      const bytes = await readNamedFile(file, config);
      const format = /\.(mjml|json)$/.exec(file)?.[1] ?? 'html';
      const body = { tenant, name, format, topic, size: bytes.length };
      const { upload } = await api.post('/api/v1/templates/presigned-url', uploadSchema, { body });
      await put(upload, bytes);
      const schema = z.object({
        ...{ template_id: z.string(), version: z.number(), status: z.string(), variables: z.array(z.string()) },
        faults: z.array(z.object({ code: z.string(), message: z.string(), line: z.number().optional() })),
      });
      const template = await api.get(`/api/v1/templates/${encodeURIComponent(name)}`, schema, { query: { tenant } });
      if (isJson) return terminal.json(template);
      terminal.line(
        `${template.template_id}@${template.version}  ${template.status}  ${template.variables.join(', ')}`,
      );
      for (const { code, message, line } of template.faults) terminal.line(`  line ${line ?? '?'}: ${code} ${message}`);
    },
  });
}

async function uploadRecipients(
  { api, config }: CommandContext,
  file: string,
  tenant: string | undefined,
): Promise<string> {
  const bytes = await readNamedFile(file, config);
  const body = { tenant, purpose: 'campaign', file_name: basename(file), size: bytes.length };
  const { file_id: fileId = '', upload } = await api.post('/api/v1/files/presigned-url', uploadSchema, { body });
  await put(upload, bytes);
  return fileId;
}

async function put({ url, method, headers }: z.output<typeof uploadSchema>['upload'], bytes: Buffer): Promise<void> {
  const reply = await fetch(url, { method, headers, body: bytes, signal: AbortSignal.timeout(UPLOAD_MS) });
  if (!reply.ok) throw new LongshoreError('API_UNREACHABLE', `The upload was refused with ${reply.status}.`);
}

function pairsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [name = '', ...rest] = text.split('=');
      return [name, rest.join('=')];
    }),
  );
}
