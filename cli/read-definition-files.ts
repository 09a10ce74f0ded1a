/** Route files that a command is given: files, directories or standard input. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LongshoreError } from '#shared/errors.ts';
import type { CommandContext } from './command-context.ts';
import { pathOf } from './read-named-file.ts';

export interface DefinitionFile {
  readonly name: string;
  readonly text: string;
}

export async function readDefinitionFiles(
  paths: readonly string[],
  context: CommandContext,
): Promise<DefinitionFile[]> {
  return (await Promise.all(paths.map((path) => readFiles(path, context)))).flat();
}

async function readFiles(path: string, { config, terminal }: CommandContext): Promise<DefinitionFile[]> {
  if (path === '-') return [{ name: '(stdin)', text: await terminal.readInput() }];
  const place = pathOf(path, config);
  const found = await stat(place).catch(() => undefined);
  if (found?.isFile()) return [{ name: path, text: await readFile(place, 'utf8') }];
  if (found?.isDirectory()) return await readDirectory(path, place);
  throw new LongshoreError('USAGE', `${path} cannot be read.`, {
    hint: `There is no ${place}.`,
  });
}

async function readDirectory(shown: string, place: string): Promise<DefinitionFile[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /\.(?:ya?ml|json)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1))
    .sort();
  if (paths.length === 0) throw new LongshoreError('USAGE', `${shown} has no .yaml, .yml or .json file.`);
  return await Promise.all(
    paths.map(async (path) => ({ name: join(shown, path), text: await readFile(join(place, path), 'utf8') })),
  );
}
