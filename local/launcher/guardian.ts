/**
 * Stops the children when this process is gone, however it went.
 *
 * 1. A shell of a few hundred kilobytes reads a pipe whose other end only we hold. The kernel closes it when we die,
 *    `kill -9` included; the shell then asks every child to stop and kills what is left after 1.6 seconds. Children need
 *    to know nothing of this, so it holds for PostgreSQL and for one that hangs.
 * 2. It is in its own session: what is sent to our process group does not take it along.
 * 3. Killed on its own, it is started again and told of every child again.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/** Each guarded child is one word, `SIGNAL:PID`. */
const SCRIPT = `
guarded=
while read -r verb child; do
  case $verb in
    guard) guarded="$guarded $child" ;;
    release) left=; for each in $guarded; do [ "$each" = "$child" ] || left="$left $each"; done; guarded=$left ;;
    close) exit 0 ;;
  esac
done
for each in $guarded; do kill -s "\${each%%:*}" "\${each#*:}" 2>/dev/null; done
for wait in 1 2 3 4 5 6 7 8; do
  left=; for each in $guarded; do kill -0 "\${each#*:}" 2>/dev/null && left="$left $each"; done
  [ -z "$left" ] && exit 0
  sleep 0.2
done
for each in $left; do kill -s KILL "\${each#*:}" 2>/dev/null; done
`;

export interface ChildGuardian {
  /** `signal` without `SIG`: how this child is asked to stop. */
  guard(pid: number, signal: 'TERM' | 'INT'): void;
  /** The child has ended on its own: its number may soon be another's, so nothing may be sent to it. */
  release(pid: number): void;
}

export interface Guardian extends ChildGuardian {
  /** Ends the guardian; children that are still guarded are left alone. */
  close(): void;
}

export function startGuardian(): Guardian {
  const guarded = new Map<number, string>();
  let isClosed = false;
  let shell = spawnShell();

  function spawnShell(): ChildProcessByStdio<Writable, null, null> {
    const spawned = spawn('sh', ['-c', SCRIPT, 'longshore-guardian'], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    spawned.unref();
    if (spawned.stdin instanceof Socket) spawned.stdin.unref();
    // A write to a shell that has just been killed fails; the next one is told everything.
    spawned.stdin.on('error', () => {});
    spawned.once('exit', () => {
      if (!isClosed) shell = spawnShell();
    });
    for (const child of guarded.values()) spawned.stdin.write(`guard ${child}\n`);
    return spawned;
  }

  return {
    guard: (pid, signal) => {
      guarded.set(pid, `${signal}:${pid}`);
      shell.stdin.write(`guard ${signal}:${pid}\n`);
    },
    release: (pid) => {
      const child = guarded.get(pid);
      guarded.delete(pid);
      if (child !== undefined) shell.stdin.write(`release ${child}\n`);
    },
    close: () => {
      isClosed = true;
      shell.stdin.end('close\n');
    },
  };
}
