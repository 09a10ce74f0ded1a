/**
 * Fills the compile cache of a run with what the programs of the fleet import, as its own process: those that are killed write nothing
 * into the cache, and those that start at once, as a fleet does, would each compile the same modules.
 *
 * Its arguments are the main files. What they import is imported; they themselves are where that runs nothing.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const RUNS_ONLY_AS_MAIN = 'process.argv[1] === import.meta.filename';

for (const main of process.argv.slice(2)) {
  const url = pathToFileURL(resolve(main));
  const text = readFileSync(url, 'utf8');
  if (text.includes(RUNS_ONLY_AS_MAIN)) await import(url.href);
  for (const [, specifier = ''] of text.matchAll(/^(?:import|\} from) .*'(.+)';$/gm))
    await import(specifier.startsWith('.') ? new URL(specifier, url).href : specifier);
}
process.exit(0);
