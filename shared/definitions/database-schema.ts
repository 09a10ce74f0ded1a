/**
 * What a YAML document of a database may say: where it is, who we are there, and which of its tables are used.
 *
 * 1. Unknown keys are faults: a misspelt option must not be passed over in silence.
 * 2. Secrets are named, never written: a definition can be shown to anyone who may see the tenant.
 * 3. What is not named under `tables` is never written to, and what is not named under `reads` never looked up in.
 */
import { z } from 'zod';
import { idSchema, secretNameSchema } from '#shared/definitions/name-schemas.ts';

/** As PostgreSQL has it, in its case; with its schema or without. */
export const tableSchema = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_$]{0,62}(?:\.[A-Za-z_][A-Za-z0-9_$]{0,62})?$/,
    'must be the name of a table, or of a schema and a table, such as sales.statements',
  );

export const databaseColumnSchema = z.string().regex(/^[A-Za-z_][A-Za-z0-9_$]{0,62}$/, 'must be the name of a column');

export const databaseDocumentSchema = z
  .strictObject({
    kind: z.literal('database'),
    tenant: idSchema,
    name: idSchema,
    description: z.string().max(500).optional(),
    type: z.literal('postgres').default('postgres'),
    host: z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$/, 'must be a host name or an address'),
    port: z.int().min(1).max(65_535).default(5432),
    database: z.string().min(1).max(63),
    user: z.string().min(1).max(63),
    password: secretNameSchema,
    tls: z
      .strictObject({
        /** `off` sends the password's proof and all rows in the clear. */
        mode: z.enum(['verify', 'off']).default('verify'),
        /** Secret with the certificates, PEM, of those who may sign the server's; the well-known authorities when absent. */
        authority: secretNameSchema.optional(),
      })
      .prefault({}),
    /** That rows are loaded into. */
    tables: z.array(tableSchema).max(100).default([]),
    /** That `enrich` looks things up in, tables and views. */
    reads: z.array(tableSchema).max(100).default([]),
    limits: z
      .strictObject({
        /** Of one process. */
        connections: z.int().min(1).max(20).default(4),
      })
      .prefault({}),
    /** True behind PgBouncer and others that give a session to several clients. */
    pooler: z.boolean().default(false),
  })
  .refine(({ tables, reads }) => tables.length + reads.length > 0, {
    error: 'name the tables that rows are loaded into, or that are read',
    path: ['tables'],
  });
export type DatabaseDocument = z.output<typeof databaseDocumentSchema>;
