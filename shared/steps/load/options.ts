/** `load`: the rows of the file, as `records:` of the route reads them, into a table of a tenant's database. */
import { z } from 'zod';
import { databaseColumnSchema, tableSchema } from '#shared/definitions/database-schema.ts';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { columnNameSchema } from '#shared/definitions/routes/record-column-schema.ts';
import type { StepOptionsKind } from '../step-options.ts';

const loadOptionsSchema = z
  .strictObject({
    /** By the name of its definition. */
    database: idSchema,
    table: tableSchema,
    /** All rows of a file in one transaction, once. */
    mode: z.literal('insert').optional(),
    /** Columns of a unique index: a row that is there is replaced. In chunks. */
    upsert: z.array(databaseColumnSchema).min(1).max(20).optional(),
    /** Column of the table: column of the file. The same names when absent. */
    columns: z.record(databaseColumnSchema, columnNameSchema).optional(),
  })
  .refine(({ mode, upsert }) => mode === undefined || upsert === undefined, {
    error: 'give either mode: insert or upsert',
    path: ['upsert'],
  });
export type LoadOptions = z.output<typeof loadOptionsSchema>;

export const loadOptions: StepOptionsKind<LoadOptions> = {
  kind: 'load',
  schema: loadOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
};
