/**
 * One open directory: a page of the object store at a time, so that a directory of a million files costs no more memory
 * than one of a thousand. Names that a client could not have sent are not shown.
 */
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import type { Attributes } from 'ssh2';
import { isListable } from './canonical-path.ts';
import { directoryAttributes, fileAttributes, longName } from './file-attributes.ts';
import { storeFault } from './object-store.ts';
import { type Location, OUTBOUND_NAME } from './user-root.ts';

export interface DirectoryEntry {
  readonly filename: string;
  readonly longname: string;
  readonly attrs: Attributes;
}

export interface DirectoryListing {
  /** The next entries; `undefined` after the last. */
  next(): Promise<DirectoryEntry[] | undefined>;
}

/** A hundred names of 255 bytes, twice each, stay far below the 256 KiB of a reply. */
const ENTRIES_PER_REPLY = 100;

/** `standing`: names of directories that are shown in any case. */
export function createDirectoryListing(
  client: S3Client,
  directory: Location,
  standing: readonly string[] = [],
): DirectoryListing {
  const { isWritable } = directory;
  const showsOutbound = directory.path === '/';
  let ready: DirectoryEntry[] = ['.', '..'].map((name) => entry(name, directoryAttributes({ isWritable })));
  if (showsOutbound) ready.push(entry(OUTBOUND_NAME, directoryAttributes({ isWritable: false })));
  const toShow = new Set(standing);
  let token: string | undefined;
  let isComplete = false;
  /** Clients may ask again before the reply came: one page after the other, or entries would come twice. */
  let turn: Promise<unknown> = Promise.resolve();

  async function fetchPage(): Promise<void> {
    const page = await client
      .send(
        new ListObjectsV2Command({
          Bucket: directory.bucket,
          Prefix: directory.prefix,
          Delimiter: '/',
          ...(token !== undefined && { ContinuationToken: token }),
        }),
      )
      .catch((error: unknown) => {
        throw storeFault(error);
      });
    token = page.NextContinuationToken;
    isComplete = token === undefined;
    const nameOf = (key: string): string => key.slice(directory.prefix.length);
    const directories = (page.CommonPrefixes ?? []).map(({ Prefix: prefix }) => nameOf(prefix!).slice(0, -1));
    for (const name of directories) {
      toShow.delete(name);
      if (isShown(name)) ready.push(entry(name, directoryAttributes({ isWritable })));
    }
    for (const object of page.Contents ?? []) {
      const name = nameOf(object.Key!);
      const file = { sizeBytes: object.Size ?? 0, modifiedAt: object.LastModified ?? new Date(0), isWritable };
      toShow.delete(name);
      if (isShown(name)) ready.push(entry(name, fileAttributes(file)));
    }
    if (!isComplete) return;
    for (const name of toShow) if (isShown(name)) ready.push(entry(name, directoryAttributes({ isWritable })));
  }

  function isShown(name: string): boolean {
    return isListable(name) && !(showsOutbound && name === OUTBOUND_NAME);
  }

  async function takeEntries(): Promise<DirectoryEntry[] | undefined> {
    while (ready.length === 0 && !isComplete) await fetchPage();
    if (ready.length === 0) return undefined;
    const entries = ready.slice(0, ENTRIES_PER_REPLY);
    ready = ready.slice(ENTRIES_PER_REPLY);
    return entries;
  }

  return {
    next() {
      const taken = turn.catch(() => undefined).then(takeEntries);
      turn = taken;
      return taken;
    },
  };
}

function entry(filename: string, attrs: Attributes): DirectoryEntry {
  return { filename, longname: longName(filename, attrs), attrs };
}
