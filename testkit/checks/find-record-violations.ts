/**
 * What the partner saw and what went back to the sender, against the records' rows.
 *
 * 1. No effect twice for one idempotency key, no call of a step without a success at the step before.
 * 2. A call of a record carries one idempotency key over all tries, kills and generations; another only for a row that was sent again, or on an
 *    operator's word.
 * 3. A success that is kept was the partner's: so many calls of that record were accepted. Records are matched by their business key.
 * 4. The results file of a job that ended has a row for each row of its file, in order, and says of it what the table says.
 * 5. The job's counts are those of its records.
 */
import { parse } from 'csv-parse/sync';
import { findLedgerViolations } from '#local/partner-simulator/find-ledger-violations.ts';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import type { Violation } from './find-row-violations.ts';

const MOST_SHOWN = 5;

export async function findRecordViolations(fleet: TestFleet): Promise<Violation[]> {
  const found = {
    'a partner does nothing twice, and no step before its turn': await findLedgerFaults(fleet),
    'a call of a record keeps its idempotency key': await findChangedKeys(fleet),
    'a success of a record was the partner’s': await findInventedSuccesses(fleet),
    'the results file says of each row what became of it': await findWrongResults(fleet),
    'the counts of a job are those of its records': await findWrongSummaries(fleet),
  };
  return Object.entries(found).flatMap(([rule, rows]) =>
    rows.length > 0 ? [{ rule, rows: rows.slice(0, MOST_SHOWN) }] : [],
  );
}

type Rows = Record<string, unknown>[];

async function findLedgerFaults({ partner }: TestFleet): Promise<Rows> {
  return findLedgerViolations(await partner.calls()).map((fault) => ({ fault }));
}

async function findChangedKeys({ sql, partner }: TestFleet): Promise<Rows> {
  const keys = new Map<string, Set<string>>();
  for (const { api, record, idempotencyKey } of await partner.calls()) {
    if (idempotencyKey === undefined) continue;
    const name = JSON.stringify([api, record]);
    keys.set(name, (keys.get(name) ?? new Set()).add(idempotencyKey));
  }
  const rows = await sql<{ key: string; allowed: number }[]>`
    SELECT business_key::jsonb ->> 0 AS key, sum(1 + key_generation)::int AS allowed
    FROM records WHERE business_key IS NOT NULL AND state <> 'REJECTED' GROUP BY 1`;
  const allowed = new Map(rows.map(({ key, allowed }) => [key, allowed]));
  return [...keys].flatMap(([name, used]) => {
    const [api, record] = JSON.parse(name) as [string, string];
    return used.size > (allowed.get(record) ?? 0) ? [{ api, record, keys: used.size }] : [];
  });
}

async function findInventedSuccesses({ sql, partner }: TestFleet): Promise<Rows> {
  const accepted = new Map<string, number>();
  for (const { record, outcome } of await partner.calls()) {
    if (outcome === 'accepted') accepted.set(record, (accepted.get(record) ?? 0) + 1);
  }
  const kept = await sql<{ key: string; successes: number }[]>`
    SELECT r.business_key::jsonb ->> 0 AS key, count(*)::int AS successes
    FROM records r JOIN record_attempts a ON a.job_id = r.job_id AND a.line = r.line AND a.outcome = 'succeeded'
    WHERE r.business_key IS NOT NULL GROUP BY 1`;
  return kept.filter(({ key, successes }) => (accepted.get(key) ?? 0) < successes).map((row) => ({ ...row }));
}

interface EndedJob {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
}

/** Of files with one name one's results stand. */
async function findWrongResults(fleet: TestFleet): Promise<Rows> {
  const jobs = await fleet.sql<EndedJob[]>`
    SELECT j.id, s.output #>> '{results,bucket}' AS bucket, s.output #>> '{results,key}' AS key
    FROM jobs j JOIN job_steps s ON s.job_id = j.id AND s.kind = 'call' AND s.output ? 'results'
    WHERE j.finished_at IS NOT NULL ORDER BY j.finished_at`;
  const found = await Promise.all(
    [...Map.groupBy(jobs, ({ key }) => key).values()].map(async (ofOneKey) => {
      const faults = await Promise.all(ofOneKey.map((job) => compareResults(fleet, job)));
      return faults.some((each) => each.length === 0) ? [] : (faults.at(-1) ?? []);
    }),
  );
  return found.flat();
}

async function compareResults({ sql, store }: TestFleet, { id, bucket, key }: EndedJob): Promise<Rows> {
  const rows = await sql<Record<string, string>[]>`
    SELECT line::text, state, coalesce(error_code, '') AS code, coalesce(error_cause, '') AS cause,
      coalesce(reference, '') AS reference
    FROM records WHERE job_id = ${id} ORDER BY records.line`;
  const pieces: Uint8Array[] = [];
  for await (const piece of store.readStream({ bucket, key })) pieces.push(piece);
  const outbound = parse(Buffer.concat(pieces), { columns: true }) as Record<string, string>[];
  if (outbound.length !== rows.length) return [{ job: id, key, outbound: outbound.length, rows: rows.length }];
  return rows.flatMap((row, index) => {
    const said = outbound[index] ?? {};
    return Object.keys(row).every((name) => said[name] === row[name]) ? [] : [{ job: id, row, said }];
  });
}

async function findWrongSummaries({ sql }: TestFleet): Promise<Rows> {
  return await sql`
    SELECT j.id, j.record_summary -> 'byState' AS summary, c.counted
    FROM jobs j CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_object_agg(state, records), '{}') AS counted
      FROM (SELECT state, count(*) AS records FROM records WHERE job_id = j.id GROUP BY state) AS s) AS c
    WHERE j.finished_at IS NOT NULL AND j.record_summary IS NOT NULL AND j.record_summary -> 'byState' <> c.counted`;
}
