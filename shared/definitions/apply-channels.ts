/**
 * CTEs that bring `notice_channels` to what a definition says, for the statement that applies it. Reads a CTE
 * `channel_owner(tenant_id, route)`, whose channels are then those given and no others; notices to a channel that goes, go too.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { toJsonb } from '#shared/db/run-statements.ts';
import type { ChannelDefinition } from '#shared/definitions/notify-schema.ts';

export interface OwnedChannel {
  readonly tenantId: string;
  /** Empty for a channel of the tenant. */
  readonly route: string;
  readonly channel: ChannelDefinition;
}

export function applyChannels(sql: Sql, channels: readonly OwnedChannel[]) {
  const rows = channels.map(({ tenantId, route, channel }) => ({
    tenantId,
    route,
    name: channel.name,
    notices: channel.on,
    digestMs: channel.digest ?? 0,
    definition: channel,
  }));
  return sql`
    channel_input AS (
      SELECT * FROM jsonb_to_recordset(${toJsonb(rows)}::text::jsonb) AS r(
        "tenantId" text, route text, name text, notices jsonb, "digestMs" int, definition jsonb)),
    channel_kept AS (
      INSERT INTO notice_channels (tenant_id, route, name, notices, digest_ms, definition)
      SELECT "tenantId", route, name, ARRAY(SELECT jsonb_array_elements_text(notices)), "digestMs", definition FROM channel_input
      ORDER BY 1, 2, 3
      ON CONFLICT (tenant_id, route, name) DO UPDATE SET notices = excluded.notices, digest_ms = excluded.digest_ms,
        definition = excluded.definition),
    channel_gone AS (
      DELETE FROM notice_channels c USING channel_owner o
      WHERE c.tenant_id = o.tenant_id AND c.route = o.route AND NOT EXISTS (
        SELECT 1 FROM channel_input i WHERE i."tenantId" = c.tenant_id AND i.route = c.route AND i.name = c.name)
      RETURNING c.*),
    untold AS (
      DELETE FROM notices n USING channel_gone g
      WHERE n.tenant_id = g.tenant_id AND n.route = g.route AND n.channel = g.name)`;
}
