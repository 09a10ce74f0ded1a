/** The one extension that is served: `posix-rename@openssh.com`, a rename that may replace its target. */
export const POSIX_RENAME = 'posix-rename@openssh.com';

/** Two strings, each with its length before it. `undefined` when the bytes are not that. */
export function parsePosixRename(data: Buffer | undefined): { from: string; to: string } | undefined {
  if (data === undefined) return undefined;
  const from = readString(data, 0);
  const to = from === undefined ? undefined : readString(data, from.end);
  if (from === undefined || to === undefined || to.end !== data.length) return undefined;
  return { from: from.text, to: to.text };
}

function readString(data: Buffer, start: number): { text: string; end: number } | undefined {
  if (start + 4 > data.length) return undefined;
  const end = start + 4 + data.readUInt32BE(start);
  return end > data.length ? undefined : { text: data.toString('utf8', start + 4, end), end };
}
