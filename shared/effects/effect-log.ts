/**
 * Where the effects of one step are written down, in the table `effects`.
 *
 * 1. Each write is one statement that locks the job's row at its epoch, and throws `LEASE_LOST` when the epoch is another: whoever holds the
 *    job then has its effects.
 * 2. Each may be repeated after a lost reply.
 *
 * Events: `effect.unknown`, when nobody can say whether the effect reached its target.
 */
import { commitInPair } from '#shared/db/commit-in-pair.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase, toJsonb } from '#shared/db/run-statements.ts';
import type { EffectStage } from '#shared/db/schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';

export type EffectFacts = Readonly<Record<string, unknown>>;

export interface LeftEffect {
  readonly stage: EffectStage;
  readonly facts: EffectFacts;
  /** Since it came to its stage, by the database's clock. */
  readonly ageMs: number;
}

export interface EffectLog {
  /** Takes the effect over, or begins it as `PREPARING`; what was there is returned. @throws LongshoreError `LEASE_LOST` */
  begin(part: number): Promise<LeftEffect>;
  /** @throws LongshoreError `LEASE_LOST` */
  write(part: number, stage: EffectStage, facts: EffectFacts): Promise<void>;
}

export interface EffectOwner {
  readonly jobId: string;
  readonly epoch: number;
  readonly tenantId: string;
  readonly fileId: string;
  readonly stepSeq: number;
  /** The step's. */
  readonly kind: string;
  readonly key: string;
  /** Actor of events. */
  readonly service: string;
}

/** One answer that never comes must not hold a step for ever. */
const DEADLINE_MS = 10_000;
/** A database that restarts is waited for; the lease has its own end. */
const REPEAT_FOR_MS = 30_000;

export function effectLogOf(sql: Sql, owner: EffectOwner): EffectLog {
  const { jobId, epoch, tenantId, fileId, stepSeq, kind, key, service } = owner;
  const holder = () =>
    sql`SELECT id FROM jobs WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' FOR SHARE`;

  async function ask<Row>(statement: () => Promise<Row[]>): Promise<Row> {
    const [row] = await repeatOnLostDatabase(statement, { deadlineMs: DEADLINE_MS, forMs: REPEAT_FOR_MS });
    if (row === undefined)
      throw new LongshoreError('LEASE_LOST', `The job ${jobId} was taken over or ended by somebody else.`);
    return row;
  }

  return {
    begin: (part) =>
      ask<LeftEffect>(
        () => sql`
          WITH holder AS (${holder()})
          INSERT INTO effects AS e (job_id, step_seq, part, tenant_id, key, kind, stage, facts, epoch)
          SELECT id, ${stepSeq}, ${part}, ${tenantId}, ${key}, ${kind}, 'PREPARING', '{}', ${epoch} FROM holder
          ON CONFLICT (job_id, step_seq, part) DO UPDATE SET epoch = excluded.epoch
          RETURNING stage, facts, extract(epoch FROM now() - at)::float8 * 1000 AS "ageMs"`,
      ),
    async write(part, stage, facts) {
      await ask(
        () => sql`
          WITH holder AS (${holder()}),
          written AS (
            UPDATE effects e SET stage = ${stage}, facts = ${toJsonb(facts)}::text::jsonb, at = now()
            FROM holder h WHERE e.job_id = h.id AND e.step_seq = ${stepSeq} AND e.part = ${part} AND e.epoch = ${epoch}
            RETURNING e.*),
          event AS (
            SELECT 'effect.unknown' AS type, tenant_id, ${fileId}::uuid AS file_id, job_id,
              jsonb_build_object('effect', id, 'step', kind, 'seq', step_seq, 'part', part) AS detail, '{events}'::text[] AS topics
            FROM written WHERE stage = 'UNKNOWN'),
          ${recordEvents(sql, service)}
          SELECT id FROM written WHERE ${commitInPair(sql)}`,
      );
    },
  };
}
