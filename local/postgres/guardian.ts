/**
 * Stops a process that is not ours when this one is gone, however it went.
 *
 * A shell of a few hundred kilobytes waits on a pipe whose other end only we hold. The kernel closes it when we die,
 * `kill -9` included, and the shell then asks the process to stop, and kills it when it has not within 2 seconds.
 */
import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

/** SIGINT is PostgreSQL's fast shutdown; what it cannot finish in time, recovery does at the next start. */
const SCRIPT = `
read -r released
[ "$released" = released ] && exit 0
kill -INT "$1" 2>/dev/null || exit 0
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; kill -0 "$1" 2>/dev/null || exit 0; done
kill -KILL "$1" 2>/dev/null
`;

export interface Guardian {
  /** The guarded process has ended by itself: its number may soon be another's, so nothing is signalled any more. */
  release(): void;
}

export function startGuardian(pid: number): Guardian {
  const shell = spawn('sh', ['-c', SCRIPT, 'longshore-guardian', String(pid)], {
    cwd: '/',
    // A group of its own: a signal to our whole group must not take the guardian along.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.unref();
  // The shell may already be gone when it is released.
  shell.stdin.on('error', () => {});
  if (shell.stdin instanceof Socket) shell.stdin.unref();
  return { release: () => void shell.stdin.end('released\n') };
}
