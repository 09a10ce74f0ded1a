/** What a worker does with chunks of records, for tests: claims them, tries each record once, settles them. */
import { randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { beginRecords, type RecordAt } from '#shared/records/begin-records.ts';
import { type ClaimedChunk, type ClaimedRecord, claimChunks } from '#shared/records/claim-chunks.ts';
import type { WokenChunk } from '#shared/records/open-records.ts';
import { settleChunks } from '#shared/records/settle-chunks.ts';
import { type RecordMove, type RecordOutcome, storeRecordOutcomes } from '#shared/records/store-record-outcomes.ts';

const WORKER = 'test/1';

/** Where the next try of a claimed record stands. */
export function nextTry(chunk: ClaimedChunk, record: Pick<ClaimedRecord, 'line' | 'step' | 'tries'>): RecordAt {
  const { id, epoch, jobId, recordsCreatedAt } = chunk;
  const { line, step, tries } = record;
  return { chunkId: id, epoch, jobId, createdAt: recordsCreatedAt, line, step, tries: tries + 1 };
}

export function outcomeOf(chunk: ClaimedChunk, at: RecordAt, move: RecordMove): RecordOutcome {
  const isGood = move.type === 'next-step' || move.type === 'success';
  const result = { ...at, generation: chunk.generation, stepName: `step-${at.step}`, move };
  if (move.type === 'wait') return result;
  const attempt = { requestId: randomUUID(), startedAt: new Date(), durationMs: 3 };
  if (isGood) {
    const reference = `r${at.line}`;
    return {
      ...result,
      reply: { reference },
      reference,
      attempt: { ...attempt, outcome: 'succeeded', httpStatus: 200 },
    };
  }
  return {
    ...result,
    error: { code: 'VALIDATION_ERROR', cause: 'HTTP_503', message: 'The partner answered HTTP 503.' },
    attempt: { ...attempt, outcome: move.type === 'ambiguous' ? 'ambiguous' : 'failed', httpStatus: 503 },
  };
}

export async function claimOne(sql: Sql, chunkId: string, leaseMs = 60_000): Promise<ClaimedChunk> {
  const [chunk] = await claimChunks(sql, { chunkIds: [chunkId], token: randomUUID(), worker: WORKER, leaseMs });
  if (chunk === undefined) throw new Error('the chunk was expected to be free');
  return chunk;
}

/** Each record moves as `moveOf` says of its line. */
export async function processRecords(
  sql: Sql,
  chunks: readonly Pick<WokenChunk, 'id'>[],
  moveOf: (line: number) => RecordMove,
): Promise<void> {
  for (const { id } of chunks) {
    const chunk = await claimOne(sql, id);
    const tries = chunk.records.map((record) => nextTry(chunk, record));
    await beginRecords(
      sql,
      tries.map((at) => ({ ...at, intent: false })),
    );
    await storeRecordOutcomes(
      sql,
      tries.map((at) => outcomeOf(chunk, at, moveOf(at.line))),
      { worker: WORKER },
    );
    await settleChunks(sql, [{ chunkId: id, epoch: chunk.epoch, delayMs: 0 }], { actor: WORKER });
  }
}
