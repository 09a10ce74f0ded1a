/** Where events come from: the journals of the S3 server and of the SFTP gateway, read the same way. */
import type { EventJournal } from '#local/s3/event-journal.ts';
import type { TransferJournal } from '#local/sftp/transfer-journal.ts';
import type { BridgeEvent } from './event-rule.ts';
import { type BridgeIdentity, objectCreatedEvent } from './object-created-event.ts';

export interface EventSource {
  readonly name: string;
  /** The oldest events after the position `after`, at most `limit`. */
  read(limit: number, after?: number): { readonly position: number; readonly event: BridgeEvent }[];
  remove(positions: readonly number[]): void;
  waitForEntries(signal: AbortSignal, after?: number): Promise<boolean>;
}

export function objectSource(journal: EventJournal, identity: BridgeIdentity): EventSource {
  return {
    name: 'objects',
    read: (limit, after) =>
      journal
        .read(limit, after)
        .map((entry) => ({ position: entry.position, event: objectCreatedEvent(entry, identity) })),
    remove: (positions) => journal.remove(positions),
    waitForEntries: (signal, after) => journal.waitForEntries(signal, after),
  };
}

export function transferSource(journal: TransferJournal): EventSource {
  return {
    name: 'transfers',
    read: (limit, after) => journal.read(limit, after),
    remove: (positions) => journal.remove(positions),
    waitForEntries: (signal, after) => journal.waitForEntries(signal, after),
  };
}
