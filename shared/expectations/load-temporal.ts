/** The Temporal library, loaded at first use: most processes have nothing to do with calendars, and it takes some megabytes. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export function loadTemporal(): typeof import('temporal-polyfill').Temporal {
  const { Temporal } = require('temporal-polyfill') as typeof import('temporal-polyfill');
  return Temporal;
}
