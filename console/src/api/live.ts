/**
 * What changes, as the API streams it: one connection per browser, by a shared worker.
 *
 * 1. Where there is no stream, such as behind a proxy that buffers, pages ask every five seconds.
 * 2. Nothing is heard while the tab is hidden or a person has paused it; afterwards everything shown is fetched again.
 */
import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { LiveEvent } from '#shared/api/live.ts';
import workerUrl from './live-worker.ts?sharedworker&url';

export type LiveState = 'live' | 'polling' | 'paused';
/** `asks`: the stream is not there, and it is time to look. */
type Heard = LiveEvent | { readonly event: 'asks' };
type Listener = (event: Heard) => void;

const HERE_MS = 10_000;
const POLL_MS = 5_000;

const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let isStreaming = false;
let pausedAt: number | undefined;
let worker: SharedWorker | undefined;

function changed(): void {
  for (const watcher of watchers) watcher();
}

function hear(event: Heard): void {
  if (pausedAt !== undefined || document.hidden) return;
  for (const listener of listeners) listener(event);
}

interface ScriptUrlPolicy {
  createScriptURL(url: string): string;
}
interface PolicyFactory {
  createPolicy(name: string, rules: ScriptUrlPolicy): ScriptUrlPolicy;
}

/** The one script that a page starts by its address is our own worker. */
function trustedWorkerUrl(): string {
  const { trustedTypes } = window as unknown as { trustedTypes?: PolicyFactory };
  const url = new URL(workerUrl, location.href).href;
  return trustedTypes?.createPolicy('longshore-worker', { createScriptURL: () => url }).createScriptURL(url) ?? url;
}

function connect(): void {
  if (worker !== undefined || typeof SharedWorker === 'undefined') return;
  worker = new SharedWorker(trustedWorkerUrl(), { type: 'module', name: 'longshore-live' });
  worker.port.onmessage = ({ data: message }: MessageEvent<{ event: string; data: string }>) => {
    const wasStreaming = isStreaming;
    isStreaming = message.event !== 'away' && message.event !== 'session-ends';
    if (isStreaming !== wasStreaming) changed();
    if (message.event !== 'away') hear({ event: message.event, data: JSON.parse(message.data) } as LiveEvent);
  };
  worker.port.start();
  const here = () => worker?.port.postMessage('here');
  here();
  setInterval(here, HERE_MS);
  setInterval(() => {
    if (!isStreaming) hear({ event: 'asks' });
  }, POLL_MS);
  document.addEventListener('visibilitychange', () => hear({ event: 'reset', data: {} }));
}

/** Calls back for every event while the component is shown. */
export function useLive(listener: Listener): void {
  const last = useRef(listener);
  useEffect(() => {
    last.current = listener;
  });
  useEffect(() => {
    connect();
    const each: Listener = (event) => last.current(event);
    listeners.add(each);
    return () => void listeners.delete(each);
  }, []);
}

export function togglePause(): void {
  pausedAt = pausedAt === undefined ? Date.now() : undefined;
  changed();
  hear({ event: 'reset', data: {} });
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function useLiveState(): LiveState {
  return useSyncExternalStore(watch, () => (pausedAt !== undefined ? 'paused' : isStreaming ? 'live' : 'polling'));
}
