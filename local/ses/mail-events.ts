/** What happens to a mail, as SES publishes it to EventBridge ("Examples of event data that Amazon SES publishes"). */
import { randomUUID } from 'node:crypto';
import type { TakenMail } from './mail-ledger.ts';

export interface SesEvent {
  readonly id: string;
  readonly source: 'aws.ses';
  readonly 'detail-type': string;
  readonly time: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

const DETAIL_TYPES: Readonly<Record<string, string>> = {
  Send: 'Email Sent',
  Delivery: 'Email Delivered',
  Bounce: 'Email Bounced',
  Complaint: 'Email Complaint Received',
  Open: 'Email Opened',
  Click: 'Email Clicked',
};

export function eventsOf(mail: TakenMail, region: string): SesEvent[] {
  const make = (word: string, own: Readonly<Record<string, unknown>>): SesEvent => ({
    ...{ version: '0', account: '000000000000', region, resources: [], time: mail.at.replace(/\.\d+Z$/, 'Z') },
    ...{ id: randomUUID(), source: 'aws.ses', 'detail-type': DETAIL_TYPES[word] ?? word },
    detail: {
      eventType: word,
      mail: {
        ...{ timestamp: mail.at, messageId: mail.id, source: mail.from, destination: [mail.to] },
        tags: Object.fromEntries(Object.entries(mail.tags).map(([name, value]) => [name, [value]])),
      },
      ...own,
    },
  });
  const sent = make('Send', { send: {} });
  const [local = ''] = mail.to.split('@');
  if (local === 'suppressionlist') {
    const bounce = { bounceType: 'Permanent', bounceSubType: 'OnAccountSuppressionList', feedbackId: randomUUID() };
    return [sent, make('Bounce', { bounce: { ...bounce, timestamp: mail.at, bouncedRecipients: [] } })];
  }
  if (local === 'ooto' || local === 'soft-bounce') {
    const bouncedRecipients = [{ emailAddress: mail.to, status: '4.2.2', diagnosticCode: 'smtp; 452 4.2.2 full' }];
    const bounce = { bounceType: 'Transient', bounceSubType: 'General', feedbackId: randomUUID(), timestamp: mail.at };
    return [sent, make('Bounce', { bounce: { ...bounce, bouncedRecipients } })];
  }
  if (local === 'bounce') {
    const bouncedRecipients = [
      { emailAddress: mail.to, status: '5.1.1', diagnosticCode: 'smtp; 550 5.1.1 user unknown' },
    ];
    const bounce = { bounceType: 'Permanent', bounceSubType: 'General', feedbackId: randomUUID(), timestamp: mail.at };
    return [sent, make('Bounce', { bounce: { ...bounce, bouncedRecipients } })];
  }
  const delivered = make('Delivery', {
    delivery: { timestamp: mail.at, smtpResponse: '250 OK', recipients: [mail.to] },
  });
  if (local === 'open-click') {
    const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0';
    const seen = { ipAddress: '192.0.2.1', timestamp: mail.at, userAgent };
    const link = /href="(https?:[^"]+)"/.exec(mail.html)?.[1] ?? 'https://example.com/';
    return [sent, delivered, make('Open', { open: seen }), make('Click', { click: { ...seen, link } })];
  }
  if (local !== 'complaint') return [sent, delivered];
  const complaint = { feedbackId: randomUUID(), timestamp: mail.at, complaintFeedbackType: 'abuse' };
  return [
    sent,
    delivered,
    make('Complaint', { complaint: { ...complaint, complainedRecipients: [{ emailAddress: mail.to }] } }),
  ];
}
