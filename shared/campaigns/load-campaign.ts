/** A campaign with what its mails are made of: its sender as it is defined now, its days, its template. */
import { LRUCache } from 'lru-cache';
import type { Sql } from '#shared/db/connect-database.ts';
import type { BusinessCalendar, OpenHours } from '#shared/expectations/open-hours.ts';
import { type CompiledMail, compileMail } from './render-mail.ts';

export interface LoadedCampaign {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly templateId: string;
  readonly templateVersion: number;
  readonly senderName: string;
  readonly topic: string;
  readonly isMarketing: boolean;
  readonly defaults: Readonly<Record<string, string>>;
  readonly window: OpenHours | null;
  /** Days on which the window opens; all when null. */
  readonly calendar: BusinessCalendar | null;
  /** By each recipient's clock. */
  readonly localStart: string | null;
  readonly isRecipientZone: boolean;
  readonly isTracked: boolean;
  readonly ratePerSecond: number | null;
  /** Null when it was removed. */
  readonly senderDefinition: unknown;
}

export async function loadCampaign(sql: Sql, id: string): Promise<LoadedCampaign | undefined> {
  const [loaded] = await sql<LoadedCampaign[]>`
    SELECT c.id, c.tenant_id AS "tenantId", c.name, c.template_id AS "templateId", c.template_version AS "templateVersion",
      c.sender AS "senderName", c.topic, c.is_marketing AS "isMarketing", c.defaults, c.send_window AS "window",
      d.days AS calendar, c.local_start AS "localStart", c.is_recipient_zone AS "isRecipientZone", c.is_tracked AS "isTracked",
      c.rate_per_second AS "ratePerSecond", s.definition AS "senderDefinition"
    FROM campaigns c LEFT JOIN senders s ON s.tenant_id = c.tenant_id AND s.name = c.sender AND s.removed_at IS NULL
      LEFT JOIN calendars d ON d.tenant_id = c.tenant_id AND d.name = c.calendar AND d.removed_at IS NULL
    WHERE c.id = ${id}`;
  return loaded;
}

export type FindMailTemplate = (
  campaign: Pick<LoadedCampaign, 'tenantId' | 'templateId' | 'templateVersion'>,
) => Promise<CompiledMail | undefined>;

const MOST_TEMPLATES = 200;

/** A version never changes: one that was compiled is kept. Undefined: it is not READY. */
export function createMailTemplates(sql: Sql): FindMailTemplate {
  const templates = new LRUCache<string, CompiledMail>({ max: MOST_TEMPLATES });
  return async ({ tenantId, templateId, templateVersion }) => {
    const key = `${tenantId}/${templateId}/${templateVersion}`;
    const known = templates.get(key);
    if (known !== undefined) return known;
    const [row] = await sql<{ subject: string; html: string; text: string }[]>`
      SELECT subject, html, "text" FROM templates
      WHERE tenant_id = ${tenantId} AND id = ${templateId} AND version = ${templateVersion} AND status = 'READY'`;
    const compiled = row && compileMail(row);
    if (compiled?.ok !== true) return undefined;
    templates.set(key, compiled.mail);
    return compiled.mail;
  };
}
