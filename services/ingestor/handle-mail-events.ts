/** Handles a batch of what the mail service reports: acknowledged once it is stored, or when it is of no mail of ours. */
import { storeMailEvents } from '#shared/campaigns/store-mail-events.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { MailEvent } from '#shared/messages/mail-events.ts';
import type { Received } from '#shared/queue/define-message.ts';
import { acknowledge, type Disposition } from '#shared/queue/disposition.ts';
import type { IngestorMetrics } from './metrics.ts';

export interface HandleMailEventsOptions {
  readonly sql: Sql;
  readonly metrics: Pick<IngestorMetrics, 'mailEvents'>;
}

export function createHandleMailEvents({ sql, metrics }: HandleMailEventsOptions) {
  return async (received: readonly Received<unknown>[]): Promise<Disposition[]> => {
    await storeReports(received);
    return received.map(() => acknowledge);
  };

  async function storeReports(received: readonly Received<unknown>[]): Promise<void> {
    const mails = received.flatMap(({ message }) => (isMailEvent(message) ? [message] : []));
    if (mails.length === 0) return;
    for (const outcome of await storeMailEvents(sql, mails)) metrics.mailEvents.inc({ outcome });
  }
}

function isMailEvent(message: unknown): message is MailEvent {
  return (message as { readonly type: string }).type === 'mail event';
}
