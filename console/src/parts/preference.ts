/** A choice of this browser's user, kept in its storage and shared by all that look at it. */
import { useSyncExternalStore } from 'react';

const PREFIX = 'longshore.';
const watchers = new Set<() => void>();
/** For browsers that keep nothing, and for as long as the page lives. */
const unsaved = new Map<string, string>();

export function readPreference(name: string): string | undefined {
  try {
    return localStorage.getItem(PREFIX + name) ?? unsaved.get(name);
  } catch {
    return unsaved.get(name);
  }
}

export function savePreference(name: string, value: string): void {
  unsaved.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // It is kept until the page goes.
  }
  for (const watcher of watchers) watcher();
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  addEventListener('storage', watcher);
  return () => {
    watchers.delete(watcher);
    removeEventListener('storage', watcher);
  };
}

export function usePreference<Value extends string>(name: string, otherwise: Value) {
  const value = useSyncExternalStore(watch, () => readPreference(name)) as Value | undefined;
  return [value ?? otherwise, (next: Value) => savePreference(name, next)] as const;
}
