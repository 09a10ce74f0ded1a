/**
 * The one door to drizzle-orm. Its CommonJS build is loaded on purpose: imported as ES modules, drizzle-orm 0.45 costs a process
 * 230 MB and 400 ms more, because every dialect's every file is read.
 */
import { createRequire } from 'node:module';

// drizzle-kit bundles this file to CommonJS, where `import.meta.url` is absent; it runs in the project's directory.
const require = createRequire(import.meta.url ?? `${process.cwd()}/`);

export const { and, asc, count, desc, eq, gt, inArray, isNull, lt, or, sql } =
  require('drizzle-orm') as typeof import('drizzle-orm');
export type { SQL } from 'drizzle-orm';
export const pg = require('drizzle-orm/pg-core') as typeof import('drizzle-orm/pg-core');
