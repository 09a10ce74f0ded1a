/** Reads of effects: what steps did at targets outside, and what is in doubt. */
import { z } from 'zod';
import type { Reads } from '#shared/db/connect-database.ts';
import { and, desc, eq, sql } from '#shared/db/drizzle.ts';
import { EFFECT_STAGES, type EffectStage, effects, files, jobs, routes } from '#shared/db/schema.ts';
import { encodeIdCursor } from '../http/page-cursor.ts';
import { instantOf } from '../records/read-columns.ts';

export const effectSchema = z
  .object({
    effect_id: z.string(),
    customer_id: z.string(),
    job_id: z.string(),
    file_id: z.string(),
    file_name: z.string(),
    route: z.string(),
    step: z.string().describe('Kind of the step, such as load or push.'),
    step_seq: z.number(),
    part: z.number().describe('0, unless one step has several effects.'),
    stage: z.enum(EFFECT_STAGES).describe('UNKNOWN: nobody can tell whether the effect was had; an operator decides.'),
    key: z.string().describe('The same over all attempts; ask the target about it where it was given to the target.'),
    facts: z.record(z.string(), z.unknown()).describe('Where the effect is, such as the path or the table.'),
    since: z.string().describe('When it came to its stage.'),
    job_state: z.string(),
  })
  .meta({ id: 'Effect' });
export type EffectReply = z.infer<typeof effectSchema>;

export const effectPageSchema = z.object({ effects: z.array(effectSchema), next_cursor: z.string().nullable() });
export type EffectPage = z.infer<typeof effectPageSchema>;

export interface EffectFilters {
  /** Null sees every tenant. */
  readonly tenantId: string | null;
  readonly stages?: readonly EffectStage[] | undefined;
  readonly kind?: string | undefined;
  readonly jobId?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

const COLUMNS = {
  effect_id: effects.id,
  customer_id: effects.tenantId,
  job_id: effects.jobId,
  file_id: jobs.fileId,
  file_name: files.name,
  route: routes.name,
  step: effects.kind,
  step_seq: effects.stepSeq,
  part: effects.part,
  stage: effects.stage,
  key: effects.key,
  facts: effects.facts,
  since: instantOf(effects.at),
  job_state: jobs.state,
};

/** Newest first. An `UNKNOWN` one whose job was sent again as new is settled, and left out. */
export async function findEffects(reads: Reads, filters: EffectFilters): Promise<EffectPage> {
  const { tenantId, stages, kind, jobId, after, limit } = filters;
  const rows = await selectEffects(reads)
    .where(
      and(
        tenantId === null ? undefined : eq(effects.tenantId, tenantId),
        stages && sql`${effects.stage} = ANY(${sql.param([...stages])}::text[])`,
        // A literal, as in the partial indexes.
        stages === undefined || stages.includes('DONE') ? undefined : sql`${effects.stage} <> 'DONE'`,
        kind === undefined ? undefined : eq(effects.kind, kind),
        jobId === undefined ? undefined : eq(effects.jobId, jobId),
        sql`(${effects.stage} <> 'UNKNOWN' OR ${jobs.supersededBy} IS NULL)`,
        after === undefined ? undefined : sql`${effects.id} < ${after}::uuid`,
      ),
    )
    .orderBy(desc(effects.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    effects: page.map((row) => ({ ...row, facts: row.facts as EffectReply['facts'] })),
    next_cursor: last === undefined ? null : encodeIdCursor(last.effect_id),
  };
}

export async function findEffect(reads: Reads, tenantId: string | null, id: string): Promise<EffectReply | undefined> {
  const [row] = await selectEffects(reads).where(
    and(eq(effects.id, id), tenantId === null ? undefined : eq(effects.tenantId, tenantId)),
  );
  return row && { ...row, facts: row.facts as EffectReply['facts'] };
}

function selectEffects(reads: Reads) {
  return reads
    .select(COLUMNS)
    .from(effects)
    .innerJoin(jobs, eq(jobs.id, effects.jobId))
    .innerJoin(files, eq(files.id, jobs.fileId))
    .innerJoin(routes, eq(routes.id, jobs.routeId));
}
