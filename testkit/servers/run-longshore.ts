/** The operators' command line as a process, at a fleet's home. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { withCompileCache } from './start-process.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const TIMEOUT_MS = 110_000;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `input` is its standard input, for `-f -`. */
export async function runLongshore(home: string, args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
    env: withCompileCache({ PATH: process.env.PATH, LONGSHORE_HOME: home }),
    timeout: TIMEOUT_MS,
  });
  child.stdin.end(input);
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { code, out, err };
}
