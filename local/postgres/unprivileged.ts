/**
 * How PostgreSQL, which refuses uid 0 and wants a user with a name, is run by whoever starts us, without adding a user to
 * the machine.
 *
 * 1. A plain user runs it directly; one without a name (a container's `--user 12345`) in a user namespace under the name of nobody.
 * 2. Root tries, in this order, what this machine allows: a user namespace in which root is called nobody (files stay root's);
 *    `nobody` with the right to pass closed directories; plain `nobody`, which serves where anyone can reach everything.
 * 3. A way is taken only when PostgreSQL's own start-up check passes under it, for these binaries and this directory.
 * 4. The directory belongs to whoever runs the program: PostgreSQL refuses one of another owner.
 */
import { execFile } from 'node:child_process';
import { lchown, lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresBinaries } from '#local/postgres/binaries.ts';
import { LongshoreError } from '#shared/errors.ts';

export type WayName = 'direct' | 'user-namespace' | 'nobody-with-access' | 'nobody';

export interface UnprivilegedRun {
  readonly name: WayName;
  /** The program and its arguments, as they must be spawned. */
  command(program: string, args: readonly string[]): { file: string; args: string[] };
  /** Owner that the machine sees for files written; absent when that is simply the user who runs. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

const PROBE_TIMEOUT_MS = 5_000;
/** What nearly every system gives to nobody. */
const USUAL_NOBODY = { uid: 65_534, gid: 65_534 };

const direct: UnprivilegedRun = { name: 'direct', command: (file, args) => ({ file, args: [...args] }) };

export interface ChooseUnprivilegedRunOptions {
  readonly binaries: PostgresBinaries;
  /** Exists already; it and all below it change owner where the chosen way needs that. */
  readonly directory: string;
  /** The ways that root may try; all of them when absent. */
  readonly ways?: readonly WayName[];
}

/** @throws LongshoreError `POSTGRES_ROOT_REFUSED` when this is root and none of the ways works on this machine. */
export async function chooseUnprivilegedRun(options: ChooseUnprivilegedRunOptions): Promise<UnprivilegedRun> {
  const { binaries, directory } = options;
  const nobody = await findNobody();
  if (process.getuid?.() !== 0) {
    if ((await probe(direct, binaries, directory)) === undefined) return direct;
    const named = inUserNamespace(nobody);
    // When neither works, the error of the direct way is the one that a plain user understands.
    return (await probe(named, binaries, directory)) === undefined ? named : direct;
  }
  const causes: unknown[] = [];
  for (const way of waysOfRoot(nobody).filter(({ name }) => options.ways?.includes(name) ?? true)) {
    const fault = await giveTo(directory, way.owner!).then(() => probe(way, binaries, directory));
    if (fault === undefined) return way;
    causes.push(fault);
  }
  throw new LongshoreError(
    'POSTGRES_ROOT_REFUSED',
    'PostgreSQL does not run as root, and this machine allows neither a user namespace (unshare) nor another user (setpriv) for it.',
    { cause: new AggregateError(causes, 'every way failed') },
  );
}

/** `initdb -s` only looks: at its user, at its binaries as the server will, and prints. Undefined when all is well. */
async function probe(way: UnprivilegedRun, binaries: PostgresBinaries, directory: string): Promise<unknown> {
  const script = 'test -w "$2" && "$1" -s -D "$2"';
  const command = way.command('sh', ['-c', script, 'probe', binaries.initdb, directory]);
  return promisify(execFile)(command.file, command.args, { timeout: PROBE_TIMEOUT_MS }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

type Ids = { readonly uid: number; readonly gid: number };

function waysOfRoot(nobody: Ids): UnprivilegedRun[] {
  const asNobody = ['setpriv', `--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, '--clear-groups'];
  // access(2) forgets capabilities unless this bit is set, and PostgreSQL asks it whether its binaries can be read.
  const passing = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup'];
  return [
    { ...inUserNamespace(nobody), owner: { uid: 0, gid: 0 } },
    { name: 'nobody-with-access', owner: nobody, command: prefixed([...asNobody, ...passing, '--']) },
    { name: 'nobody', owner: nobody, command: prefixed([...asNobody, '--']) },
  ];
}

function inUserNamespace(nobody: Ids): UnprivilegedRun {
  const prefix = ['unshare', '--user', `--map-user=${nobody.uid}`, `--map-group=${nobody.gid}`, '--'];
  return { name: 'user-namespace', command: prefixed(prefix) };
}

function prefixed([file = '', ...first]: readonly string[]): UnprivilegedRun['command'] {
  return (program, args) => ({ file, args: [...first, program, ...args] });
}

/** initdb looks its user up by name, so the ids must be those of a user that the machine knows. */
async function findNobody(): Promise<Ids> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const users = passwd.split('\n').map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'nobody') ?? users.find(([, , uid]) => Number(uid) > 0);
  return user === undefined ? USUAL_NOBODY : { uid: Number(user[2]), gid: Number(user[3]) };
}

/**
 * Makes `owner` the owner of `path` and all below it; only root may. The top comes last, so that its owner says whether
 * an earlier change came to its end.
 */
export async function giveTo(path: string, owner: Ids): Promise<void> {
  const stats = await lstat(path);
  if (stats.uid === owner.uid) return;
  if (stats.isDirectory()) for (const entry of await readdir(path)) await giveTo(join(path, entry), owner);
  await lchown(path, owner.uid, owner.gid);
}
