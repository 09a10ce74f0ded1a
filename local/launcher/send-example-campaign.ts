/** The example's campaign, sent as a message centre would: two uploads by presigned URL, one request, and a look at its status. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Endpoints } from '#local/launcher/endpoints.ts';
import { parseJson } from '#shared/text/parse-json.ts';

const TENANT = 'globex-bank';
const NAME = 'spring';
const DEADLINE_MS = 120_000;
const LOOK_MS = 500;

const uploadSchema = z.object({
  file_id: z.string().optional(),
  upload: z.object({ url: z.string(), method: z.string(), headers: z.record(z.string(), z.string()) }),
});
const countsSchema = z.record(z.string(), z.number());
const statusSchema = z.object({
  status: z.string(),
  recipients: countsSchema,
  messages: countsSchema,
  events: countsSchema,
});

/** Resolves to what happened to it in one line; undefined when the home has no such tenant. */
export async function sendExampleCampaign(endpoints: Endpoints, directory: string): Promise<string | undefined> {
  const access = endpoints.tenants[TENANT];
  if (access === undefined) return undefined;
  const key = (await readFile(access.apiKeyFile, 'utf8')).trim();
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const ask = async <Schema extends z.ZodType>(path: string, schema: Schema, body?: unknown) => {
    const headers = { 'x-api-key': key, 'content-type': 'application/json' };
    const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const reply = await fetch(`${endpoints.api}/api/v1/${path}`, { headers, signal, ...request });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${path} answered ${reply.status}: ${text}`);
    return schema.parse(parseJson(text));
  };
  const upload = async ({ url, method, headers }: z.output<typeof uploadSchema>['upload'], file: string) => {
    const reply = await fetch(url, { method, headers, signal, body: await readFile(join(directory, file)) });
    if (!reply.ok) throw new Error(`the upload of ${file} was answered with ${reply.status}`);
  };

  const template = { name: NAME, format: 'html', topic: 'newsletter' };
  await upload((await ask('templates/presigned-url', uploadSchema, template)).upload, `${NAME}.html`);
  const file = await ask('files/presigned-url', uploadSchema, { purpose: 'campaign', file_name: `${NAME}.csv` });
  await upload(file.upload, `${NAME}.csv`);
  const wish = { template_id: NAME, file_id: file.file_id, sender: 'news', columns: { email: 'E-Mail' } };
  const made = z.object({ transaction_id: z.string() });
  const { transaction_id: id } = await ask('campaigns', made, { ...wish, name: NAME, defaults: { plan: 'basic' } });
  for (;;) {
    const { status, recipients, messages, events } = await ask(`campaigns/${id}/status`, statusSchema);
    const { sent = 0 } = messages;
    const { delivered = 0, bounced_hard: bounced = 0 } = events;
    const { duplicates = 0, rejected = 0 } = recipients;
    if (status === 'FAILED') throw new Error(`the campaign failed; see ${endpoints.api}/api/v1/campaigns/${id}/status`);
    if (status === 'SENT' && delivered + bounced === sent)
      return `${TENANT}  campaign ${NAME}: ${sent} sent, ${delivered} delivered, ${bounced} bounced, ${duplicates} duplicate, ${rejected} rejected`;
    await delay(LOOK_MS, undefined, { signal });
  }
}
