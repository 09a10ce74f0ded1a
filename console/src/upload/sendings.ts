/**
 * What this page sends, two files side by side. It continues while other pages of the portal are shown, and asks before the browser leaves.
 *
 * There is one of it in a page, as there is one worker for checksums: the policy lets a page name its script once.
 */
import { useSyncExternalStore } from 'react';
import type { Upload } from '#shared/api/uploads.ts';
import { get, post } from '../api/client.ts';
import { problemOf } from '../api/problem.ts';
import { type Checksums, createChecksums } from './checksums.ts';
import { sendFile } from './send-file.ts';
import { noteUnfinished, removeUnfinished } from './upload-journal.ts';

export interface FileToSend {
  readonly file: File;
  readonly directory: string;
}

export interface Sending extends FileToSend {
  readonly id: number;
  /** Bytes that the store has. */
  readonly sent: number;
  readonly state: 'waiting' | 'sending' | 'sent' | 'stopped';
  /** What it waits for, or why it stopped. */
  readonly word?: string | undefined;
  readonly fileId?: string | null;
  /** When a file of the same name and size came. */
  readonly sentBefore?: string;
  /** Routes that take a file of this path and size, as far as that says; undefined: not known yet. */
  readonly routes?: readonly string[];
}

export interface Sendings {
  readonly items: readonly Sending[];
  /** Where the pace is counted from: when the first of those at work was added, and what had been sent then. */
  readonly since: { readonly at: number; readonly bytes: number };
}

interface Simulated {
  readonly decisions: readonly {
    readonly routes: readonly { readonly route: string; readonly takes: boolean }[];
  }[];
}

interface SentFile {
  readonly file_size: number;
  readonly registered_at: string;
}

export const MOST_FILES = 1_000;
/** Of those that are added at once, so many are asked about in advance. */
const MOST_ASKED_ABOUT = 20;
const SIDE_BY_SIDE = 2;
const LOOK_MS = 1_000;
const MOST_LOOKS = 20;

let sendings: Sendings = { items: [], since: { at: 0, bytes: 0 } };
let lastId = 0;
let checksums: Checksums | undefined;
const watchers = new Set<() => void>();
const stops = new Map<number, AbortController>();

export function useSendings(): Sendings {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => sendings,
  );
}

export function isAtWork({ items }: Sendings): boolean {
  return items.some(({ state }) => state === 'sending' || state === 'waiting');
}

/** @returns how many were too many */
export function addFiles(files: readonly FileToSend[], tenant: string): number {
  const added = files.slice(0, MOST_FILES).map(({ file, directory }): Sending => {
    lastId += 1;
    return { id: lastId, file, directory, sent: 0, state: 'waiting' };
  });
  const bytes = sendings.items.reduce((sum, { sent }) => sum + sent, 0);
  const since = isAtWork(sendings) ? sendings.since : { at: Date.now(), bytes };
  become({ items: [...sendings.items, ...added], since });
  for (const item of added.slice(0, MOST_ASKED_ABOUT)) {
    void noteSentBefore(item);
    void noteRoutes(item, tenant);
  }
  startNext();
  return files.length - added.length;
}

export function sendAgain(id: number): void {
  change(id, { state: 'waiting', word: undefined });
  startNext();
}

/** What the store has of it stays there for a day. */
export function stopSending(id: number): void {
  stops.get(id)?.abort(new Error('Stopped.'));
  if (sendings.items.find((item) => item.id === id)?.state === 'waiting')
    change(id, { state: 'stopped', word: 'Stopped.' });
}

function become(next: Sendings): void {
  if (isAtWork(next) !== isAtWork(sendings))
    (isAtWork(next) ? addEventListener : removeEventListener)('beforeunload', askBeforeLeaving);
  sendings = next;
  for (const watcher of watchers) watcher();
}

function askBeforeLeaving(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

function change(id: number, changes: Partial<Sending>): void {
  become({ ...sendings, items: sendings.items.map((item) => (item.id === id ? { ...item, ...changes } : item)) });
}

function startNext(): void {
  const running = sendings.items.filter(({ state }) => state === 'sending').length;
  const waiting = sendings.items.filter(({ state }) => state === 'waiting');
  for (const next of waiting.slice(0, Math.max(0, SIDE_BY_SIDE - running))) {
    change(next.id, { state: 'sending' });
    void send(next).finally(startNext);
  }
}

async function send({ id, file, directory }: Sending): Promise<void> {
  const stop = new AbortController();
  stops.set(id, stop);
  try {
    checksums ??= createChecksums();
    let uploadId = '';
    const upload = await sendFile({
      file,
      directory,
      checksums,
      onBegin: async ({ upload_id }) => {
        uploadId = upload_id;
        await noteUnfinished({ uploadId, name: file.name, directory, size: file.size });
      },
      onProgress: (sent) => change(id, { sent }),
      onWait: (word) => change(id, { word }),
      signal: stop.signal,
    });
    await removeUnfinished(uploadId);
    change(id, { state: 'sent', sent: file.size, fileId: upload.file_id });
    if (upload.file_id === null) void noteFileId(id, upload.upload_id);
  } catch (error) {
    const { message, hint } = problemOf(error);
    change(id, { state: 'stopped', word: stop.signal.aborted ? message : `${message} ${hint}` });
    // Of its parts that are still under way.
    stop.abort(error);
  } finally {
    stops.delete(id);
  }
}

/** The file is registered a moment after its upload was completed; where that takes longer, its line has no link. */
async function noteFileId(id: number, uploadId: string): Promise<void> {
  for (let tried = 1; tried <= MOST_LOOKS; tried += 1) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const upload = await get<Upload>(`/api/v1/uploads/${uploadId}`).catch(() => undefined);
    if (typeof upload?.file_id === 'string') return change(id, { fileId: upload.file_id });
  }
}

/** A name and a size that came before are most often a mistake; sending it all the same is allowed. */
async function noteSentBefore({ id, file }: Sending): Promise<void> {
  const query = { name: file.name, limit: 1 };
  const found = await get<{ files: readonly SentFile[] }>('/api/v1/files', { query }).catch(() => undefined);
  const [before] = found?.files ?? [];
  if (before?.file_size === file.size) change(id, { sentBefore: before.registered_at });
}

async function noteRoutes({ id, file, directory }: Sending, tenant: string): Promise<void> {
  const path = [directory, file.name].filter((part) => part !== '').join('/');
  const asked = { tenant, path, size_bytes: file.size, source: 'portal' };
  const { decisions } = await post<Simulated>('/api/v1/routes/simulate', { file: asked }).catch(() => ({
    decisions: [],
  }));
  const [decision] = decisions;
  if (decision !== undefined)
    change(id, { routes: decision.routes.filter(({ takes }) => takes).map(({ route }) => route) });
}
