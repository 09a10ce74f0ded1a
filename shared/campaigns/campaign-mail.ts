/** One mail of a campaign, and what a transport says of sending it. */

export interface CampaignMail {
  readonly from: string;
  readonly replyTo?: string | undefined;
  readonly to: string;
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  /** Without angle brackets; where the transport does not give one. */
  readonly messageId: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Come back with what the service reports. */
  readonly tags: Readonly<Record<string, string>>;
  /** Opens and clicks are to be reported. */
  readonly isTracked?: boolean;
}

export type MailSent =
  | { readonly type: 'sent'; readonly messageId: string }
  /** Final, of this mail. */
  | { readonly type: 'refused'; readonly reason: string }
  /** This mail was not taken now, but may be later. */
  | { readonly type: 'deferred'; readonly reason: string }
  | { readonly type: 'throttled' }
  | { readonly type: 'quota' }
  /** No mail of the sender would be taken. */
  | { readonly type: 'stopped'; readonly reason: string }
  | { readonly type: 'not-sent'; readonly reason: string }
  /** It may have been sent. */
  | { readonly type: 'unknown'; readonly reason: string };
