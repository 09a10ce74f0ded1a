/** What `GET /api/v1/usage` replies, and the same as CSV. */
import { z } from 'zod';

const usageSchema = z
  .object({
    day: z.string().describe('In UTC, e.g. 2026-01-31.'),
    tenant: z.string(),
    files: z.number().describe('Files that were routed; files unpacked from them do not count.'),
    bytes: z.number().describe('Their size.'),
    records: z.number().describe('Records whose calls ended, again if an operator had them called again.'),
    mails: z.number().describe('Mails of campaigns that the mail service took.'),
    calls: z.number().describe('Calls of partners, each attempt.'),
  })
  .meta({ id: 'UsageOfDay' });

export const usageReplySchema = z.object({ usage: z.array(usageSchema) });
export type UsageOfDay = z.infer<typeof usageSchema>;

/** No value has a character that CSV quotes: days, ids of tenants and numbers. */
export function usageCsv(usage: readonly UsageOfDay[]): string {
  const columns = Object.keys(usageSchema.shape) as (keyof UsageOfDay)[];
  const lines = [columns, ...usage.map((row) => columns.map((column) => row[column]))];
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}
