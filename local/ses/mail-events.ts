/** What becomes of a mail, as SES publishes it to EventBridge ("Examples of event data that Amazon SES publishes"). */
import { randomUUID } from 'node:crypto';
import type { TakenMail } from './mail-ledger.ts';

export interface SesEvent {
  readonly id: string;
  readonly source: 'aws.ses';
  readonly 'detail-type': string;
  readonly time: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export function eventsOf(mail: TakenMail, region: string): SesEvent[] {
  const make = (word: string, own: Readonly<Record<string, unknown>>): SesEvent => ({
    ...{ version: '0', account: '000000000000', region, resources: [], time: mail.at.replace(/\.\d+Z$/, 'Z') },
    ...{ id: randomUUID(), source: 'aws.ses', 'detail-type': `Email ${word}ed`.replace('Sended', 'Sent') },
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
  if (local !== 'complaint') return [sent, delivered];
  const complaint = { feedbackId: randomUUID(), timestamp: mail.at, complaintFeedbackType: 'abuse' };
  return [
    sent,
    delivered,
    make('Complaint', { complaint: { ...complaint, complainedRecipients: [{ emailAddress: mail.to }] } }),
  ];
}
