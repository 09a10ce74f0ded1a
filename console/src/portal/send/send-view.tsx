/** Send files: drop or choose them, folders too. Each goes in parts, and continues where it stopped. */

import { useQuery } from '@tanstack/react-query';
import prettyBytes from 'pretty-bytes';
import { type DragEvent, useEffect, useState } from 'react';
import { Link } from 'wouter';
import type { RoutePage } from '#services/control-api/definitions/find-routes.ts';
import { get } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { Combobox } from '../../parts/combobox.tsx';
import { PlainText } from '../../parts/plain-text.tsx';
import { durationText, Time } from '../../parts/time.tsx';
import { say } from '../../parts/toast.tsx';
import { UploadLinkButton } from '../../parts/upload-link-dialog.tsx';
import {
  addFiles,
  type FileToSend,
  isAtWork,
  MOST_FILES,
  type Sending,
  sendAgain,
  stopSending,
  useSendings,
} from '../../upload/sendings.ts';
import { listUnfinished, removeUnfinished } from '../../upload/upload-journal.ts';
import { foldersOf } from './folders.ts';

const ANNOUNCED_PERCENT = 25;
const USUAL = 'inbound';

export default function SendView() {
  const [typed, setTyped] = useState<string>();
  const routes = useQuery({
    queryKey: ['routes'],
    queryFn: ({ signal }) => get<Pick<RoutePage, 'routes'>>('/api/v1/routes', { query: { limit: 200 }, signal }),
  });
  const folders = foldersOf(routes.data?.routes ?? []);
  // Where routes take files, the usual folder among them first.
  const directory = typed ?? folders.find((folder) => folder === USUAL) ?? folders[0] ?? USUAL;
  const me = useMe();
  const sendings = useSendings();
  const { items, since } = sendings;
  const isBusy = isAtWork(sendings);
  const unfinished = useQuery({ queryKey: ['unfinished'], queryFn: listUnfinished });
  const { refetch } = unfinished;
  useEffect(() => {
    if (!isBusy) void refetch();
  }, [isBusy, refetch]);

  function add(chosen: readonly FileToSend[]): void {
    // One that was not finished continues only in its own folder, whatever the field says by now.
    const files = chosen.map(({ file, directory: to }) => {
      const before = unfinished.data?.find(({ name, size }) => name === file.name && size === file.size);
      return { file, directory: before?.directory ?? to };
    });
    const left = addFiles(files, me.data?.tenant ?? '');
    if (left > 0) say(`${MOST_FILES} files are sent at a time. Choose the other ${left} again afterwards.`);
  }

  function choose(input: HTMLInputElement): void {
    add(
      [...(input.files ?? [])].map((file) => ({
        file,
        directory: joined(directory, file.webkitRelativePath.split('/').slice(0, -1)),
      })),
    );
    // The same file may be chosen again.
    input.value = '';
  }
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
        <Combobox
          label="To the folder"
          value={directory}
          options={folders}
          isFiltered={typed === undefined}
          onChange={setTyped}
        />
        <label>
          Drop files here, or choose them <input type="file" multiple onChange={(event) => choose(event.target)} />
        </label>
        <label>
          Choose a whole folder{' '}
          <input type="file" multiple {...{ webkitdirectory: '' }} onChange={(event) => choose(event.target)} />
        </label>
      </section>
      {left.length > 0 && (
        <section aria-label="Not finished">
          <h2>Not finished</h2>
          <p>Choose these files again; each continues in its folder where it stopped, for 24 hours after it began.</p>
          <ul>
            {left.map(({ uploadId, name, directory: to, size }) => (
              <li key={uploadId}>
                <PlainText>{name}</PlainText> {prettyBytes(size)}, to <PlainText>{to}</PlainText>{' '}
                <button type="button" onClick={() => void removeUnfinished(uploadId).then(() => unfinished.refetch())}>
                  Forget
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      {items.length > 0 && (
        <p className="muted">{isBusy ? paceText(sent - since.bytes, Date.now() - since.at, total - sent) : ''}</p>
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
            <RouteHint item={item} />
            {item.sentBefore !== undefined && (
              <span className="muted">
                {' '}
                A file of this name and size was sent before, <Time at={item.sentBefore} />.
              </span>
            )}
            {item.state === 'stopped' && (
              <button type="button" onClick={() => sendAgain(item.id)}>
                Try again
              </button>
            )}
            {(item.state === 'sending' || item.state === 'waiting') && (
              <button type="button" onClick={() => stopSending(item.id)}>
                Stop
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

/** Before it is there, as a file that nothing takes is better stopped now; and afterwards, as a small one is there at once. */
function RouteHint({ item: { routes, state } }: { readonly item: Sending }) {
  if (routes === undefined) return null;
  const isSent = state === 'sent';
  if (routes.length > 0)
    return (
      <span className="muted">
        {' '}
        {isSent ? 'It goes' : 'It will go'} to <PlainText>{routes.join(', ')}</PlainText>.
      </span>
    );
  return (
    <strong> ▲ No route takes a file of this name and folder: {isSent ? 'it is' : 'it would be'} set aside.</strong>
  );
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

async function filesOf(entry: FileSystemEntry, directory: string): Promise<FileToSend[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, directory }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileToSend[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0 || found.length > MOST_FILES) return found;
    for (const below of entries) found.push(...(await filesOf(below, joined(directory, [entry.name]))));
  }
}
