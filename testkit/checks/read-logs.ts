/** The logs of all processes of a home, one after another. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export async function readLogs(home: string): Promise<string> {
  const directory = join(home, 'logs');
  const names = await readdir(directory);
  return (await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))).join('\n');
}
