/** The YAML library, loaded at first use: in most processes children read YAML, and it takes some megabytes. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export function loadYaml(): typeof import('yaml') {
  return require('yaml');
}
