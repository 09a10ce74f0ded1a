/** Campaigns of a benchmark's fleet, as an operator asks for them. */
import { z } from 'zod';
import type { Stack } from '#local/stack.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import { round } from './fleet-requests.ts';
import { percentiles } from './percentiles.ts';

export interface CampaignsApi {
  readonly stack: Stack;
  /** An operator's. */
  readonly key: string;
}

const STATUS_READS = 200;

export async function makeTemplate(api: CampaignsApi, tenant: string, html: string): Promise<void> {
  const body = { tenant, name: 'bill', format: 'json', topic: 'billing' };
  const { upload } = await ask(api, 'templates/presigned-url', uploadSchema, body);
  await put(upload, JSON.stringify({ subject: 'Bill {{ n }}', html: `${html}{{ n }}`, text: 'Bill {{ n }}' }));
  await ask(api, `templates/bill?tenant=${tenant}`, z.object({ status: z.literal('READY') }));
}

/** Out: the campaign's id. Its list is uploaded before it is asked for. */
export async function startCampaign(
  api: CampaignsApi,
  { tenant, sender, recipients }: { readonly tenant: string; readonly sender: string; readonly recipients: number },
): Promise<string> {
  const file = await ask(api, 'files/presigned-url', uploadSchema, { tenant, file_name: 'bills.csv' });
  const rows = Array.from({ length: recipients }, (_each, n) => `r${n}@example.com,${n}`);
  await put(file.upload, ['email,n', ...rows].join('\n'));
  const wish = { tenant, template_id: 'bill', file_id: file.file_id, sender };
  return (await ask(api, 'campaigns', z.object({ transaction_id: z.string() }), wish)).transaction_id;
}

export async function measureStatus(api: CampaignsApi, id: string): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let read = 0; read < STATUS_READS; read += 1) {
    const startedMs = performance.now();
    await ask(api, `campaigns/${id}/status`, z.looseObject({}));
    times.push(performance.now() - startedMs);
  }
  const { p50, p99 } = percentiles(times);
  return { p50: round(p50), p99: round(p99) };
}

const uploadSchema = z.object({
  file_id: z.string().optional(),
  upload: z.object({ url: z.string(), method: z.string(), headers: z.record(z.string(), z.string()) }),
});

async function put({ url, method, headers }: z.output<typeof uploadSchema>['upload'], body: string): Promise<void> {
  const reply = await fetch(url, { method, headers, body });
  if (!reply.ok) throw new Error(`an upload was answered with ${reply.status}`);
}

export async function ask<Schema extends z.ZodType>(
  { stack, key }: CampaignsApi,
  path: string,
  schema: Schema,
  body?: unknown,
): Promise<z.output<Schema>> {
  const headers = { 'x-api-key': key, 'content-type': 'application/json' };
  const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const reply = await fetch(`${stack.endpoints.api}/api/v1/${path}`, { headers, ...request });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${path} answered ${reply.status}: ${text}`);
  return schema.parse(parseJson(text));
}
