/** While an upgrade rolls, services of the previous version work on the schema of this one, and after a step back again. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findBreakingStatements } from '#testkit/checks/find-breaking-migrations.ts';
import { readRecording } from './load-version.ts';

const MIGRATIONS = new URL('../../shared/db/migrations/', import.meta.url);

test('no migration since the previous version takes away what its services use', async () => {
  const { migration } = await readRecording();
  const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'));
  expect(files).toContain(`${migration}.sql`);
  const since = files.filter((name) => name > `${migration}.sql`);
  const faults = since.flatMap((name) =>
    findBreakingStatements(readFileSync(new URL(name, MIGRATIONS), 'utf8')).map((fault) => `${name}: ${fault}`),
  );
  expect(faults).toEqual([]);
});

test.each([
  ['DROP TABLE "reads";', ['drops a table: reads']],
  ['ALTER TABLE "files" DROP COLUMN "size_bytes";', ['drops a column: size_bytes']],
  ['ALTER TABLE "files" RENAME COLUMN "a" TO "b";', ['renames: files']],
  ['ALTER TABLE "files" RENAME TO "objects";', ['renames: files']],
  ['ALTER TABLE "files" ALTER COLUMN "key" SET DATA TYPE bytea;', ['changes a type: key']],
  ['ALTER TABLE "jobs" ALTER COLUMN "lane" SET NOT NULL;', ['asks for a value: lane']],
  ['ALTER TABLE "jobs" ADD COLUMN "lane" text NOT NULL;', ['asks for a value: lane']],
  ['ALTER TABLE "jobs" ADD COLUMN "lane" text DEFAULT \'x\' NOT NULL;', []],
  ['ALTER TABLE "jobs" ADD COLUMN "lane" text;', []],
  ['CREATE UNIQUE INDEX "jobs_one" ON "jobs" ("file_id");', ['narrows a table: jobs_one']],
  [
    'CREATE TABLE "batches" ("id" uuid NOT NULL);\n--> statement-breakpoint\nCREATE UNIQUE INDEX "one" ON "batches" ("id");',
    [],
  ],
  ['ALTER TABLE "jobs" DROP CONSTRAINT "jobs_file_route";', ['drops a constraint: jobs_file_route']],
  [
    'ALTER TABLE "f" DROP CONSTRAINT "f_s";--> statement-breakpoint\nALTER TABLE "f" ADD CONSTRAINT "f_s" CHECK (s IN (1, 2));',
    [],
  ],
  ['DROP FUNCTION expiry_of(text);', ['drops a function: expiry_of']],
  ['DROP FUNCTION expiry_of(text);\n--> statement-breakpoint\nCREATE FUNCTION expiry_of(tenant text) RETURNS int;', []],
  ['DROP INDEX "jobs_running";', []],
  ['-- DROP TABLE "reads";', []],
] as const)('%s', (text, faults) => {
  expect(findBreakingStatements(text)).toEqual(faults);
});
