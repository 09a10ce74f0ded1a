/**
 * Fills the compile cache of a run with what the programs of the fleet import, as a process of its own: those that are killed write nothing
 * into the cache, and those that start at once, as a fleet does, would each compile the same modules.
 *
 * Its arguments are the main files. What they import is imported, they themselves are not: they would run.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

for (const main of process.argv.slice(2)) {
  const url = pathToFileURL(resolve(main));
  for (const [, specifier = ''] of readFileSync(url, 'utf8').matchAll(/^(?:import|\} from) .*'(.+)';$/gm))
    await import(specifier.startsWith('.') ? new URL(specifier, url).href : specifier);
}
process.exit(0);
