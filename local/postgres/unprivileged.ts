/**
 * How a program that refuses uid 0 is run by root, without adding a user to the machine.
 *
 * 1. A plain user runs it directly.
 * 2. Root tries, in this order, what this machine allows, each by really reaching the binary and the data directory:
 *    a user namespace in which root is called 1000 (files stay root's); `nobody` with the right to pass closed
 *    directories; plain `nobody`, which serves where both can be reached by anyone.
 * 3. The data directory belongs to whoever runs the program: PostgreSQL refuses one of another owner.
 */
import { execFile } from 'node:child_process';
import { lchown, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LongshoreError } from '#shared/errors.ts';

export interface UnprivilegedRun {
  readonly name: 'direct' | 'user-namespace' | 'nobody-with-access' | 'nobody';
  /** The program and its arguments, as they must be spawned. */
  command(program: string, args: readonly string[]): { file: string; args: string[] };
  /** Owner that the machine sees for files written; absent when that is simply the user who runs. */
  readonly owner?: { uid: number; gid: number };
}

/** The ids that belong to nobody on every Linux; only files of the data directory ever carry them. */
const NOBODY = 65534;
const PROBE_TIMEOUT_MS = 5_000;

const direct: UnprivilegedRun = { name: 'direct', command: (file, args) => ({ file, args: [...args] }) };

const asRoot: readonly UnprivilegedRun[] = [
  prefixed('user-namespace', 0, ['unshare', '--user', '--map-user=1000', '--map-group=1000', '--']),
  prefixed('nobody-with-access', NOBODY, [
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
    '--',
  ]),
  prefixed('nobody', NOBODY, ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--']),
];

export interface ChooseUnprivilegedRunOptions {
  readonly program: string;
  /** Exists already; it and all below it change owner where the chosen way needs that. */
  readonly directory: string;
  /** The ways that root may try; all of them when absent. */
  readonly ways?: readonly UnprivilegedRun['name'][];
}

/** @throws LongshoreError `POSTGRES_ROOT_REFUSED` when this is root and none of the ways works on this machine. */
export async function chooseUnprivilegedRun(options: ChooseUnprivilegedRunOptions): Promise<UnprivilegedRun> {
  if (process.getuid?.() !== 0) return direct;
  const causes: unknown[] = [];
  for (const way of asRoot.filter(({ name }) => options.ways?.includes(name) ?? true)) {
    try {
      await giveTo(options.directory, way.owner ?? { uid: 0, gid: 0 });
      const probe = way.command('sh', [
        '-c',
        '"$1" --version && test -w "$2"',
        'probe',
        options.program,
        options.directory,
      ]);
      await promisify(execFile)(probe.file, probe.args, { timeout: PROBE_TIMEOUT_MS });
      return way;
    } catch (cause) {
      causes.push(cause);
    }
  }
  throw new LongshoreError(
    'POSTGRES_ROOT_REFUSED',
    'PostgreSQL does not run as root, and this machine allows neither a user namespace (unshare) nor another user (setpriv) for it.',
    { cause: new AggregateError(causes, 'every way failed') },
  );
}

function prefixed(name: UnprivilegedRun['name'], id: number, prefix: readonly [string, ...string[]]): UnprivilegedRun {
  const [file, ...first] = prefix;
  return {
    name,
    owner: { uid: id, gid: id },
    command: (program, args) => ({ file, args: [...first, program, ...args] }),
  };
}

/**
 * Makes `owner` the owner of `path` and all below it; only root may. The top comes last, so that its owner tells whether
 * an earlier change came to its end.
 */
export async function giveTo(path: string, owner: { uid: number; gid: number }): Promise<void> {
  const stats = await lstat(path);
  if (stats.uid === owner.uid) return;
  if (stats.isDirectory()) for (const entry of await readdir(path)) await giveTo(join(path, entry), owner);
  await lchown(path, owner.uid, owner.gid);
}
