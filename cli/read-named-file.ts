/** Files that a command is given by name. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { LongshoreError } from '#shared/errors.ts';
import type { CliConfig } from './config.ts';

/** A path that the user gave: from where the command was called, which under `npm run` is not where it works. */
export function pathOf(path: string, config: CliConfig): string {
  return resolve(config.INIT_CWD ?? '', path);
}

/** @throws LongshoreError `USAGE` when it cannot be read. */
export async function readNamedFile(path: string, config: CliConfig): Promise<Buffer> {
  return await readFile(pathOf(path, config)).catch(refuseToRead(path, config));
}

/** What to do with the error of a read. */
export function refuseToRead(path: string, config: CliConfig): (cause: NodeJS.ErrnoException) => never {
  const place = pathOf(path, config);
  return (cause) => {
    const hint = cause.code === 'ENOENT' ? `There is no ${place}.` : `Check what ${place} is and who may read it.`;
    throw new LongshoreError('USAGE', `${path} cannot be read.`, { cause, hint });
  };
}
