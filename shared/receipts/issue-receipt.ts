/**
 * Issues the receipt of a step: the next one in the tenant's chain.
 *
 * 1. A receipt has the hash of the one before it, and its place in the chain; of two that are made side by side one is made again.
 * 2. A step has one receipt, whatever repeats it.
 * 3. A worker that lost its job issues none.
 *
 * Event: `receipt.issued`.
 */
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import type { ReceiptKeys } from './receipt-keys.ts';
import { hashOfReceipt } from './verify-receipt.ts';

export interface ReceiptOwner {
  readonly tenantId: string;
  readonly fileId: string;
  readonly jobId: string;
  readonly epoch: number;
  readonly stepSeq: number;
  readonly service: string;
}

export interface IssuedReceipt {
  readonly seq: number;
  readonly jws: string;
  readonly hash: string;
}

export type IssueReceipt = (statement: object) => Promise<IssuedReceipt>;

const DEADLINE_MS = 10_000;
const REPEAT_FOR_MS = 30_000;
/** Others of the tenant that may be first. */
const MOST_TRIES = 100;

export async function issueReceipt(
  sql: Sql,
  keys: ReceiptKeys,
  owner: ReceiptOwner,
  statement: object,
): Promise<IssuedReceipt> {
  const { tenantId, jobId, stepSeq } = owner;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const [known, last] = await ask(() =>
      Promise.all([
        sql<
          IssuedReceipt[]
        >`SELECT seq::int AS seq, jws, hash FROM receipts WHERE job_id = ${jobId} AND step_seq = ${stepSeq}`,
        sql<IssuedReceipt[]>`
          SELECT seq::int AS seq, jws, hash FROM receipts WHERE tenant_id = ${tenantId} ORDER BY seq DESC LIMIT 1`,
      ]),
    );
    if (known[0] !== undefined) return known[0];
    const seq = (last[0]?.seq ?? 0) + 1;
    const jws = await keys.sign({ tenant: tenantId, seq, previous: last[0]?.hash ?? null, ...statement });
    const receipt = { seq, jws, hash: hashOfReceipt(jws) };
    if (await store(sql, owner, receipt)) return receipt;
  }
  throw new LongshoreError('INTERNAL', `No receipt of ${MOST_TRIES} was the next one of the tenant.`);
}

/** False when another receipt has that place, or this step has one. */
async function store(sql: Sql, owner: ReceiptOwner, { seq, jws, hash }: IssuedReceipt): Promise<boolean> {
  const { tenantId, fileId, jobId, epoch, stepSeq, service } = owner;
  const [row] = await ask(
    () => sql<{ isHeld: boolean; isStored: boolean }[]>`
      WITH holder AS (SELECT id FROM jobs WHERE id = ${jobId} AND epoch = ${epoch} AND state = 'RUNNING' FOR SHARE),
      stored AS (
        INSERT INTO receipts (tenant_id, seq, file_id, job_id, step_seq, jws, hash)
        SELECT ${tenantId}, ${seq}, ${fileId}::uuid, id, ${stepSeq}, ${jws}, ${hash} FROM holder
        ON CONFLICT DO NOTHING RETURNING *),
      event AS (
        SELECT 'receipt.issued' AS type, tenant_id, file_id, job_id, jsonb_build_object('seq', seq, 'receipt', jws) AS detail,
          '{events}'::text[] AS topics
        FROM stored),
      ${recordEvents(sql, service)}
      SELECT EXISTS (SELECT FROM holder) AS "isHeld", EXISTS (SELECT FROM stored) AS "isStored"`,
  );
  if (row?.isHeld !== true)
    throw new LongshoreError('LEASE_LOST', `The job ${jobId} was taken over or ended by somebody else.`);
  return row.isStored;
}

function ask<Answer>(statement: () => Promise<Answer>): Promise<Answer> {
  return repeatOnLostDatabase(statement, { deadlineMs: DEADLINE_MS, forMs: REPEAT_FOR_MS });
}
