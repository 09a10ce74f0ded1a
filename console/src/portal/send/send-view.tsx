/** Send files: drop or choose them, folders too. Each goes in parts, and goes on where it stopped. */

import { useQuery, useQueryClient } from '@tanstack/react-query';
import prettyBytes from 'pretty-bytes';
import { type DragEvent, useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import { get } from '../../api/client.ts';
import { problemOf } from '../../api/problem.ts';
import { PlainText } from '../../parts/plain-text.tsx';
import { durationText, Time } from '../../parts/time.tsx';
import { UploadLinkButton } from '../../parts/upload-link-dialog.tsx';
import { type Checksums, createChecksums } from '../../upload/checksums.ts';
import { sendFile } from '../../upload/send-file.ts';
import { forgetUnfinished, listUnfinished, noteUnfinished } from '../../upload/upload-journal.ts';

interface Sending {
  readonly id: number;
  readonly file: File;
  readonly directory: string;
  readonly sent: number;
  readonly state: 'waiting' | 'sending' | 'sent' | 'stopped';
  readonly word?: string | undefined;
  readonly fileId?: string | null;
  /** When a file of the same name and size came. */
  readonly sentBefore?: string;
}

interface SentFile {
  readonly file_size: number;
  readonly registered_at: string;
}

const MOST_FILES = 1_000;
const FILES_SIDE_BY_SIDE = 2;
const ANNOUNCED_PERCENT = 25;

export default function SendView() {
  const [directory, setDirectory] = useState('inbound');
  const [items, setItems] = useState<readonly Sending[]>([]);
  const queries = useQueryClient();
  const unfinished = useQuery({ queryKey: ['unfinished'], queryFn: listUnfinished });
  const checksums = useRef<Checksums>(undefined);
  const stop = useRef(new AbortController());
  const numbers = useRef(0);
  const startedWith = useRef({ at: 0, bytes: 0 });

  useEffect(() => {
    const controller = new AbortController();
    stop.current = controller;
    return () => controller.abort();
  }, []);
  const isBusy = items.some(({ state }) => state === 'sending' || state === 'waiting');
  useEffect(() => {
    if (!isBusy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [isBusy]);

  const change = (id: number, changes: Partial<Sending>) =>
    setItems((before) => before.map((item) => (item.id === id ? { ...item, ...changes } : item)));

  // The next ones begin as others end.
  const running = items.filter(({ state }) => state === 'sending').length;
  const next = running < FILES_SIDE_BY_SIDE ? items.find(({ state }) => state === 'waiting') : undefined;
  useEffect(() => {
    if (next === undefined) return;
    change(next.id, { state: 'sending', word: undefined });
    checksums.current ??= createChecksums();
    void send(next, checksums.current);
  });

  async function send({ id, file, directory }: Sending, given: Checksums): Promise<void> {
    try {
      let uploadId = '';
      const upload = await sendFile({
        file,
        directory,
        checksums: given,
        onBegin: ({ upload_id }) => {
          uploadId = upload_id;
          void noteUnfinished({ uploadId, name: file.name, directory, size: file.size });
        },
        onProgress: (sent) => change(id, { sent }),
        onWait: (word) => change(id, { word }),
        signal: stop.current.signal,
      });
      await forgetUnfinished(uploadId);
      void queries.invalidateQueries({ queryKey: ['unfinished'] });
      change(id, { state: 'sent', sent: file.size, fileId: upload.file_id });
    } catch (error) {
      if (stop.current.signal.aborted) return;
      const { message, hint } = problemOf(error);
      change(id, { state: 'stopped', word: `${message} ${hint}` });
    }
  }

  function add(files: readonly { readonly file: File; readonly directory: string }[]): void {
    const added = files.slice(0, MOST_FILES).map(({ file, directory: into }): Sending => {
      numbers.current += 1;
      return { id: numbers.current, file, directory: into, sent: 0, state: 'waiting' };
    });
    if (!isBusy) startedWith.current = { at: Date.now(), bytes: sent };
    setItems((before) => [...before, ...added]);
    for (const item of added) void hint(item);
  }

  /** A name and a size that came before are most often a mistake; sending it all the same is allowed. */
  async function hint({ id, file }: Sending): Promise<void> {
    const query = { name: file.name, limit: 1 };
    const found = await get<{ files: readonly SentFile[] }>('/api/v1/files', { query }).catch(() => undefined);
    const [before] = found?.files ?? [];
    if (before?.file_size === file.size) change(id, { sentBefore: before.registered_at });
  }

  const choose = (files: FileList | null) =>
    add(
      [...(files ?? [])].map((file) => ({
        file,
        directory: joined(directory, file.webkitRelativePath.split('/').slice(0, -1)),
      })),
    );
  async function drop(event: DragEvent): Promise<void> {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry());
    const found = await Promise.all(entries.map((entry) => (entry === null ? [] : filesOf(entry, directory))));
    add(found.flat());
  }

  const total = items.reduce((sum, { file }) => sum + file.size, 0);
  const sent = items.reduce((sum, item) => sum + item.sent, 0);
  const percent = total === 0 ? 0 : Math.floor((100 * sent) / total);
  const left = unfinished.data?.filter(({ name }) => !items.some(({ file }) => file.name === name)) ?? [];
  return (
    <>
      <div className="row">
        <h1>Send files</h1>
        <span className="grow" />
        <UploadLinkButton />
      </div>
      <section
        className="card stack"
        aria-label="Files to send"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => void drop(event)}
      >
        <label>
          To the folder <input value={directory} onChange={(event) => setDirectory(event.target.value)} />
        </label>
        <label>
          Drop files here, or choose them{' '}
          <input type="file" multiple onChange={(event) => choose(event.target.files)} />
        </label>
        <label>
          Choose a whole folder{' '}
          <input type="file" multiple {...{ webkitdirectory: '' }} onChange={(event) => choose(event.target.files)} />
        </label>
      </section>
      {left.length > 0 && (
        <section aria-label="Not finished">
          <h2>Not finished</h2>
          <p>Choose these files again; each continues where it stopped, for 24 hours after it began.</p>
          <ul>
            {left.map(({ uploadId, name, size }) => (
              <li key={uploadId}>
                <PlainText>{name}</PlainText> {prettyBytes(size)}{' '}
                <button type="button" onClick={() => void forgetUnfinished(uploadId).then(() => unfinished.refetch())}>
                  Forget
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {items.length > 0 && (
        <p className="muted">
          {isBusy ? paceText(sent - startedWith.current.bytes, Date.now() - startedWith.current.at, total - sent) : ''}
        </p>
      )}
      {items.length > 0 && (
        <p role="status">
          {`${Math.floor(percent / ANNOUNCED_PERCENT) * ANNOUNCED_PERCENT} % of ${items.length} ${items.length === 1 ? 'file' : 'files'} sent`}
        </p>
      )}
      <ul aria-label="Progress">
        {items.map((item) => (
          <li key={item.id}>
            <PlainText>{item.file.name}</PlainText> {prettyBytes(item.file.size)}{' '}
            <progress
              max={Math.max(1, item.file.size)}
              value={item.state === 'sent' ? Math.max(1, item.file.size) : item.sent}
              aria-label={item.file.name}
            />{' '}
            <Word item={item} />
            {item.sentBefore !== undefined && (
              <span className="muted">
                {' '}
                A file of this name and size was sent before, <Time at={item.sentBefore} />.
              </span>
            )}
            {item.state === 'stopped' && (
              <button type="button" onClick={() => change(item.id, { state: 'waiting' })}>
                Try again
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

function Word({ item }: { readonly item: Sending }) {
  if (item.state === 'sent')
    return typeof item.fileId === 'string' ? <Link href={`/files/${item.fileId}`}>sent</Link> : <span>sent</span>;
  if (item.state === 'stopped') return <span role="alert">✕ {item.word}</span>;
  return <span>{item.word ?? (item.state === 'waiting' ? 'waits' : 'is being sent')}</span>;
}

/** `12.4 MB/s, 40 s left`; nothing before there is a pace. */
function paceText(bytes: number, ms: number, left: number): string {
  if (bytes <= 0 || ms < 1_000) return '';
  const perSecond = (bytes * 1_000) / ms;
  return `${prettyBytes(perSecond)}/s, ${durationText((left * 1_000) / perSecond)} left`;
}

function joined(directory: string, below: readonly string[]): string {
  return [directory, ...below].filter((part) => part !== '').join('/');
}

async function filesOf(entry: FileSystemEntry, directory: string): Promise<{ file: File; directory: string }[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, directory }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: { file: File; directory: string }[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0 || found.length > MOST_FILES) return found;
    for (const below of entries) found.push(...(await filesOf(below, joined(directory, [entry.name]))));
  }
}
