/**
 * A log of bounded size: JSON lines, whole ones, the newest always in `<name>.log`.
 *
 * 1. What is not a JSON line (a crash's stack, a warning of the runtime) becomes one, so that a reader parses every line.
 * 2. At `maxBytes` the file becomes `<name>.log.1`, replacing the one before: at most two of them lie on disk.
 */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
/** A line without an end would otherwise be held in memory whole. */
const MAX_LINE_BYTES = 256 * 1024;

export interface LogFile {
  readonly path: string;
  /** A line of one source, without its end. */
  writeLine(line: string): void;
  close(): void;
}

export function openLogFile(options: { path: string; service: string; maxBytes?: number }): LogFile {
  const { path, service, maxBytes = DEFAULT_MAX_BYTES } = options;
  let file: number | undefined = openSync(path, 'a', 0o600);
  let sizeBytes = fstatSync(file).size;

  return {
    path,
    writeLine: (raw) => {
      if (file === undefined || raw === '') return;
      const line = Buffer.from(`${asJsonLine(raw, service)}\n`);
      if (sizeBytes > 0 && sizeBytes + line.length > maxBytes) {
        closeSync(file);
        renameSync(path, `${path}.1`);
        file = openSync(path, 'a', 0o600);
        sizeBytes = 0;
      }
      writeSync(file, line);
      sizeBytes += line.length;
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function asJsonLine(line: string, service: string): string {
  if (line.startsWith('{') && line.endsWith('}') && line.length <= MAX_LINE_BYTES) return line;
  const msg = line.slice(0, MAX_LINE_BYTES);
  return JSON.stringify({ level: 'warn', time: new Date().toISOString(), service, msg });
}
