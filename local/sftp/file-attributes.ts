/** Attributes and listing lines as SFTP version 3 clients expect them; object stores have no owners, modes or links. */
import type { Attributes } from 'ssh2';

const DIRECTORY = 0o040000;
const REGULAR_FILE = 0o100000;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function fileAttributes(file: { sizeBytes: number; modifiedAt: Date; isWritable: boolean }): Attributes {
  return attributes(REGULAR_FILE | (file.isWritable ? 0o644 : 0o444), file.sizeBytes, file.modifiedAt);
}

export function directoryAttributes(directory: { isWritable: boolean; modifiedAt?: Date }): Attributes {
  return attributes(DIRECTORY | (directory.isWritable ? 0o755 : 0o555), 0, directory.modifiedAt ?? new Date(0));
}

function attributes(mode: number, size: number, modifiedAt: Date): Attributes {
  const seconds = Math.floor(modifiedAt.getTime() / 1_000);
  return { mode, size, uid: 0, gid: 0, atime: seconds, mtime: seconds };
}

/** A line as of `ls -l`; some clients show it, some even read it. */
export function longName(name: string, { mode, size, mtime }: Attributes): string {
  const isDirectory = (mode & DIRECTORY) !== 0 && (mode & REGULAR_FILE) === 0;
  const bits = [6, 3, 0].map((shift) => {
    const triple = (mode >> shift) & 7;
    return `${triple & 4 ? 'r' : '-'}${triple & 2 ? 'w' : '-'}${triple & 1 ? 'x' : '-'}`;
  });
  const date = new Date(mtime * 1_000);
  const day = String(date.getUTCDate()).padStart(2);
  const isRecent = Math.abs(Date.now() - date.getTime()) < 180 * 86_400_000;
  const time = date.toISOString().slice(11, 16);
  const when = `${MONTHS[date.getUTCMonth()]} ${day} ${isRecent ? time : ` ${date.getUTCFullYear()}`}`;
  return `${isDirectory ? 'd' : '-'}${bits.join('')}    1 sftp     sftp     ${String(size).padStart(12)} ${when} ${name}`;
}
