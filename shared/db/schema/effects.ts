/** What steps did outside, and the receipts for it. */
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';

const { bigint, check, index, integer, jsonb, pgTable, primaryKey, text, unique, uuid } = pg;

export const EFFECT_STAGES = ['PREPARING', 'PREPARED', 'COMMITTING', 'DONE', 'UNKNOWN'] as const;
export type EffectStage = (typeof EFFECT_STAGES)[number];

/** What steps do at targets outside, one row for each visible act. `epoch` is the job's at the last write; `key` the same over retries. */
export const effects = pgTable(
  'effects',
  {
    id: uuid('id').notNull().default(sql`uuid_v7()`),
    jobId: uuid('job_id').notNull(),
    stepSeq: integer('step_seq').notNull(),
    part: integer('part').notNull(),
    tenantId: text('tenant_id').notNull(),
    key: text('key').notNull(),
    /** The step's kind. */
    kind: text('kind').notNull(),
    stage: text('stage').$type<EffectStage>().notNull(),
    /** What asking and continuing need, such as the name that was chosen; no secrets. */
    facts: jsonb('facts').notNull(),
    epoch: integer('epoch').notNull(),
    createdAt: createdAt(),
    /** Of its stage. */
    at: instant('at').notNull().default(sql`now()`),
  },
  (table) => [
    primaryKey({ columns: [table.jobId, table.stepSeq, table.part] }),
    unique('effects_id').on(table.id),
    check('effects_stage', oneOf('stage', EFFECT_STAGES)),
    index('effects_open').on(table.kind, table.stage).where(sql`stage <> 'DONE'`),
    index('effects_open_tenant').on(table.tenantId, table.id).where(sql`stage <> 'DONE'`),
    index('effects_tenant').on(table.tenantId, table.id),
  ],
);

/** Signed statements of what was received and delivered, a chain for each tenant. */
export const receipts = pgTable(
  'receipts',
  {
    tenantId: text('tenant_id').notNull(),
    /** In the tenant's chain, from 1. */
    seq: bigint('seq', { mode: 'number' }).notNull(),
    fileId: uuid('file_id').notNull(),
    jobId: uuid('job_id').notNull(),
    stepSeq: integer('step_seq').notNull(),
    /** JWS in compact form. */
    jws: text('jws').notNull(),
    /** SHA-256 of `jws`, hexadecimal, which the next receipt of the tenant holds. */
    hash: text('hash').notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.seq] }),
    unique('receipts_step').on(table.jobId, table.stepSeq),
    index('receipts_file').on(table.fileId, table.seq),
  ],
);
