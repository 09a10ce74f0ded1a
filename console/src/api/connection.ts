/** Whether the API answers, and whether it still knows us: what the last calls said. */
import { useSyncExternalStore } from 'react';

export interface Connection {
  /** When calls began to go unanswered; undefined while they are answered. */
  readonly awaySince: number | undefined;
  readonly isSignedOut: boolean;
}

let connection: Connection = { awaySince: undefined, isSignedOut: false };
const watchers = new Set<() => void>();

function change(next: Partial<Connection>): void {
  const changed = { ...connection, ...next };
  if (changed.awaySince === connection.awaySince && changed.isSignedOut === connection.isSignedOut) return;
  connection = changed;
  for (const watcher of watchers) watcher();
}

export function noteAnswer(): void {
  change({ awaySince: undefined });
}

export function noteSilence(): void {
  change({ awaySince: connection.awaySince ?? Date.now() });
}

export function noteSignedOut(): void {
  change({ isSignedOut: true });
}

export function noteSignedIn(): void {
  change({ isSignedOut: false });
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function useConnection(): Connection {
  return useSyncExternalStore(watch, () => connection);
}
