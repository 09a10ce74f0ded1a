/**
 * The audit's chain over a million lines: how long lines take to write, to seal, to count as usage, to make into evidence and to verify, and
 * that one altered, added or removed line among them is named.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { startPostgres } from '#local/postgres/start-postgres.ts';
import { sealLines } from '#shared/audit/seal-lines.ts';
import { type FaultyLine, verifyPage } from '#shared/audit/verify-chain.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { migrate } from '#shared/db/migrate.ts';
import { type ExportLinesOptions, exportLines } from '#shared/evidence/export-lines.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { rollUpUsage } from '#shared/usage/roll-up-usage.ts';
import { connectForBench } from './connect-for-bench.ts';

const PAGE = 50_000;
const SEALED_AT_ONCE = 5_000;
const EXPORTED_AT_ONCE = 20_000;
const WRITTEN_AT_ONCE = 1_000;
const TENANT = 'acme';

export async function runAuditBench({
  lines,
  json,
}: {
  readonly lines: number;
  readonly json: boolean;
}): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-bench-audit-'));
  const postgres = await startPostgres({ directory, port: 0, isDisposable: true });
  await migrate(postgres.url);
  const sql = connectForBench(postgres.url);
  try {
    const written = await timed(() => write(sql, lines));
    const sealed = await timed(() => sealAll(sql));
    await sql`VACUUM ANALYZE audit_events, audit_seals`;
    const counted = await timed(() => countAll(sql));
    const exported = await timed(() => exportAll(sql));
    const verified = await timed(() => verify(sql));
    const { found, seconds } = await tamper(sql, Math.floor(lines / 2));
    const result = {
      lines,
      writtenPerSecond: Math.round(lines / written.seconds),
      sealedPerSecond: Math.round(lines / sealed.seconds),
      countedPerSecond: Math.round(lines / counted.seconds),
      exportedPerSecond: Math.round(lines / exported.seconds),
      evidenceBytesPerLine: Math.round(exported.value / lines),
      verifySeconds: round(verified.seconds),
      soundFaults: verified.value.length,
      tampered: found,
      tamperedVerifySeconds: round(seconds),
    };
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      for (const [name, value] of Object.entries(result)) process.stdout.write(`${name}  ${JSON.stringify(value)}\n`);
  } finally {
    await sql.end({ timeout: 5 });
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function write(sql: Sql, lines: number): Promise<void> {
  for (let done = 0; done < lines; done += WRITTEN_AT_ONCE)
    await sql`
      INSERT INTO audit_events (type, tenant_id, file_id, job_id, actor, detail)
      SELECT 'step.succeeded', ${TENANT}, uuid_v7(), uuid_v7(), 'partner-worker',
        jsonb_build_object('step', 'deliver', 'seq', 1, 'attempt', 1, 'generation', 1, 'durationMs', n)
      FROM generate_series(1, ${Math.min(WRITTEN_AT_ONCE, lines - done)}::int) AS n`;
}

async function sealAll(sql: Sql): Promise<void> {
  while ((await sealLines(sql, { limit: SEALED_AT_ONCE })).sealed > 0);
}

async function countAll(sql: Sql): Promise<void> {
  while ((await rollUpUsage(sql, { limit: SEALED_AT_ONCE })) > 0);
}

/** Resolves to the bytes of all objects; no store is part of this. */
async function exportAll(sql: Sql): Promise<number> {
  let bytes = 0;
  const store: ExportLinesOptions['store'] = {
    async put({ body }) {
      bytes += body.length;
      return { versionId: '', etag: '' } as never;
    },
  };
  const logger = createLogger({ service: 'bench', level: 'warn' });
  const { signal } = new AbortController();
  const options = { sql, store, bucket: 'evidence', limit: EXPORTED_AT_ONCE, everyMs: 0, logger, signal };
  while ((await exportLines(options)).written > 0);
  return bytes;
}

async function verify(sql: Sql): Promise<FaultyLine[]> {
  const faults: FaultyLine[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const page = await verifyPage(sql, { tenantId: TENANT, after, limit: PAGE });
    faults.push(...page.faults);
    after = page.next;
  }
  return faults;
}

/** One altered, one removed and one added line, far from each other. */
async function tamper(sql: Sql, middle: number): Promise<{ found: FaultyLine[]; seconds: number }> {
  const at = (seq: number) => sql`(SELECT event_id FROM audit_seals WHERE tenant_id = ${TENANT} AND seq = ${seq})`;
  await sql`UPDATE audit_events SET actor = 'operator:eve' WHERE id = ${at(middle)}`;
  await sql`DELETE FROM audit_events WHERE id = ${at(middle + 1_000)}`;
  await sql`
    INSERT INTO audit_events (at, type, tenant_id, actor, detail, written)
    SELECT event_at, 'job.released', ${TENANT}, 'operator:eve', '{}', '1' FROM audit_seals WHERE tenant_id = ${TENANT} AND seq = 100`;
  const { value, seconds } = await timed(() => verify(sql));
  return { found: value, seconds };
}

async function timed<Value>(work: () => Promise<Value>): Promise<{ value: Value; seconds: number }> {
  const startedAt = performance.now();
  return { value: await work(), seconds: (performance.now() - startedAt) / 1_000 };
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
