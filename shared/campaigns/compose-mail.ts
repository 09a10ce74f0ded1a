/** The mail of one recipient: rendered, with the headers that mail clients and our own events need. */
import type { SenderDocument } from '#shared/definitions/sender-schema.ts';
import { readLinkKeys } from '#shared/reviews/link-keys.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import type { CampaignMail } from './campaign-mail.ts';
import type { FindMailTemplate, LoadedCampaign } from './load-campaign.ts';
import { renderMail } from './render-mail.ts';
import { writeUnsubscribeToken } from './unsubscribe-token.ts';

/** Name of the secret that unsubscribe links are signed with, and where they lead. */
export interface UnsubscribeLinks {
  readonly secretName: string;
  readonly publicUrl: string;
}

export interface Recipient {
  readonly address: string;
  readonly hash: string;
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}

export interface ComposeParts {
  readonly secrets: SecretStore;
  readonly findTemplate: FindMailTemplate;
  /** Marketing waits without it. */
  readonly unsubscribe: UnsubscribeLinks | undefined;
}

export type Composed =
  | { readonly type: 'mail'; readonly mail: CampaignMail }
  /** Something that comes: the template, the secret of links. */
  | { readonly type: 'not-ready' }
  | { readonly type: 'faulty'; readonly message: string };

export async function composeMail(
  { secrets, findTemplate, unsubscribe }: ComposeParts,
  campaign: LoadedCampaign,
  sender: SenderDocument,
  { address, hash, line, values: row }: Recipient,
): Promise<Composed> {
  const template = await findTemplate(campaign);
  if (template === undefined) return { type: 'not-ready' };
  const url = await unsubscribeUrl();
  if (url === undefined && campaign.isMarketing) return { type: 'not-ready' };
  const filled = Object.entries(row).filter(([, value]) => value !== null);
  const values = { ...campaign.defaults, ...Object.fromEntries(filled), email: address, unsubscribe_url: url ?? '' };
  const rendered = renderMail(template, values);
  if (!rendered.ok) return { type: 'faulty', message: rendered.message };
  const id = `${campaign.id}.${line}`;
  const oneClick: Record<string, string> =
    campaign.isMarketing && url !== undefined
      ? { 'List-Unsubscribe': `<${url}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }
      : { 'Auto-Submitted': 'auto-generated' };
  const mail: CampaignMail = {
    ...rendered.mail,
    from: sender.from,
    replyTo: sender.replyTo,
    to: address,
    messageId: `${id}@longshore.invalid`,
    headers: {
      ...oneClick,
      'List-Id': `<${campaign.topic}.${campaign.tenantId}.longshore.invalid>`,
      'Feedback-ID': `${campaign.id}:${campaign.topic}:${campaign.tenantId}:longshore`,
      'X-Longshore-Message': id,
    },
    tags: { ls_campaign: campaign.id, ls_line: String(line) },
    isTracked: campaign.isTracked,
  };
  return { type: 'mail', mail };

  async function unsubscribeUrl(): Promise<string | undefined> {
    if (unsubscribe === undefined) return undefined;
    const { current } = await readLinkKeys(secrets, unsubscribe.secretName);
    const { id: campaignId, tenantId, topic, isMarketing } = campaign;
    const from = { tenantId, topic, isMarketing };
    const token = writeUnsubscribeToken({ campaignId, line, addressHash: hash, from }, current);
    const base = sender.unsubscribe?.baseUrl ?? `${unsubscribe.publicUrl.replace(/\/+$/, '')}/u`;
    return `${base.replace(/\/+$/, '')}/${token}`;
  }
}
