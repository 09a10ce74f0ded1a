/** Servers of Debian's packages that `.ci/run` unpacks and does not install, since the packages conflict and start what they install. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

export const UNPACKED = '/opt/partner-servers';

/** Why the program, or library, cannot be loaded; undefined when it can. `root` has its packages. */
export function whyNotLoaded(path: string, root = UNPACKED): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const linked = spawnSync('ldd', [join(root, path)], { encoding: 'utf8', env: withLibraries(root) });
  if (linked.status !== 0) return `${join(root, path)} is not there; .ci/run unpacks it`;
  const lacking = /^\s*(\S+) => not found/m.exec(linked.stdout)?.[1];
  return lacking === undefined ? undefined : `${lacking} is not installed`;
}

/** Libraries come as packages too. */
export function withLibraries(root = UNPACKED): NodeJS.ProcessEnv {
  const found = globSync('usr/lib/{*-linux-gnu,postfix}', { cwd: root }).map((name) => join(root, name));
  return { ...process.env, LD_LIBRARY_PATH: found.join(':') };
}
