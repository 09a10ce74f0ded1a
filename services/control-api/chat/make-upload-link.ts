/** `/filestatus upload <directory> <reason>`: a one-time link, by which the partner on the telephone sends one file. */
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { plainText } from '#shared/notices/plain-text.ts';
import { explainRule, type ReasonRule } from '#shared/reviews/reason-rule.ts';
import { plainTextField, reasonField } from '../http/request-fields.ts';
import { createUploadLink, linkUrl } from '../uploads/handle-upload-links.ts';
import type { LandingAccess } from '../uploads/landing-access.ts';
import { uploadTarget } from '../uploads/upload-target.ts';
import { type Chat, escapeFor } from './write-answer.ts';

export interface UploadLinkRequest {
  readonly chat: Chat;
  /** Of the workspace; null: the first part of the directory names it. */
  readonly tenantId: string | null;
  /** What follows `upload`. */
  readonly text: string;
  readonly actor: string;
}

const HOURS = 24;

/** Undefined when something else is asked. */
export function askedUpload(asked: string): string | undefined {
  return /^upload(?:\s.*)?$/is.exec(asked)?.[0].slice('upload'.length).trim();
}

export function createUploadLinks(parts: {
  readonly sql: Sql;
  readonly landing: LandingAccess;
  readonly publicUrl: string | undefined;
  readonly reasonRule?: ReasonRule | undefined;
}) {
  const { sql, landing, publicUrl, reasonRule } = parts;
  return async ({ chat, tenantId, text, actor }: UploadLinkRequest): Promise<string> => {
    const [, place = '', rest = ''] = /^(\S+)\s+(.+)$/s.exec(text) ?? [];
    const reason = reasonField.pipe(plainTextField(500)).safeParse(rest);
    if (place === '' || !reason.success) return usage(chat, tenantId);
    if (reasonRule?.allows(reason.data) === false) return `⚠️ ${escapeFor(chat, explainRule(reasonRule))}`;
    if (publicUrl === undefined) return 'There are no upload links: LONGSHORE_PORTAL_ORIGIN is not set.';
    const [first = '', ...directories] = place.replace(/^\/+/, '').split('/');
    const tenant = tenantId ?? first;
    const directory = tenantId === null ? directories.join('/') : place;
    try {
      // Any name will do: what is looked at is the directory.
      const { path } = await uploadTarget(landing.directory, tenant, `${directory}/x`);
      const link = await createUploadLink(sql, {
        tenantId: tenant,
        directory: path.slice(0, -1),
        reason: reason.data,
        hours: HOURS,
        actor,
      });
      const where = escapeFor(chat, plainText(`${tenant}/${path.slice(0, -1)}`, 300));
      const until = `${link.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
      return `🔗 For one file to ${where}, until ${until}: ${linkUrl(publicUrl, link.token)}`;
    } catch (error) {
      if (!(error instanceof LongshoreError)) throw error;
      return `⚠️ ${escapeFor(chat, plainText(error.message, 300))}`;
    }
  };
}

function usage(chat: Chat, tenantId: string | null): string {
  const command = chat === 'slack' ? '/filestatus' : '@Longshore filestatus';
  return escapeFor(
    chat,
    `Usage: ${command} upload ${tenantId === null ? '<tenant>/<directory>' : '<directory>'} <reason>`,
  );
}
