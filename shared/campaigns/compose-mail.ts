/** The mail of one recipient: rendered, with the headers that mail clients and our own events need. */
import type { SenderDocument } from '#shared/definitions/sender-schema.ts';
import { readLinkKeys } from '#shared/reviews/link-keys.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import type { CampaignMail } from './campaign-mail.ts';
import type { FindMailTemplate, LoadedCampaign } from './load-campaign.ts';
import { addressHash } from './mail-address.ts';
import { renderMail } from './render-mail.ts';
import { type UnsubscribedFrom, writeUnsubscribeToken } from './unsubscribe-token.ts';

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
  /** Of a mail that is made before its campaign, for others to look at. */
  readonly shownTo?: ShownTo;
}

/** `nobody`: its link leads nowhere. Else whose subscription the link ends: not that of the recipient who is shown. */
export type ShownTo = 'nobody' | { readonly address: string };

/** Links of mails that were shown count for no campaign. */
const NO_CAMPAIGN = '00000000-0000-0000-0000-000000000000';
const NOWHERE = 'preview';

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
  { address, hash, line, values: row, shownTo }: Recipient,
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
    const token =
      shownTo === undefined
        ? writeUnsubscribeToken({ campaignId, line, addressHash: hash, from }, current)
        : tokenFor(shownTo, from, current);
    const base = sender.unsubscribe?.baseUrl ?? `${unsubscribe.publicUrl.replace(/\/+$/, '')}/u`;
    // A header is ASCII: a host or path of other letters is encoded.
    return new URL(`${base.replace(/\/+$/, '')}/${token}`).href;
  }
}

function tokenFor(shownTo: ShownTo, from: UnsubscribedFrom, key: string): string {
  if (shownTo === 'nobody') return NOWHERE;
  return writeUnsubscribeToken(
    { campaignId: NO_CAMPAIGN, line: 0, addressHash: addressHash(shownTo.address), from },
    key,
  );
}
