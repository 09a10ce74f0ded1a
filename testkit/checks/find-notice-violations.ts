/**
 * Subscribers of `success` and `failure` heard of every ending exactly once: one event id for each time that a file ended, the same
 * that the audit has, and none that the audit does not have. Of markers and checksums that came for another file they hear nothing.
 */

import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import type { Violation } from './find-row-violations.ts';

const MOST_SHOWN = 5;

export async function findNoticeViolations({ notices, sql }: TestFleet): Promise<Violation[]> {
  const received = await notices.read();
  const ended = await sql<{ id: string; fileId: string; type: string }[]>`
    SELECT id, file_id AS "fileId", type FROM audit_events
    WHERE type IN ('file.completed', 'file.failed', 'file.quarantined')`;
  const audited = new Map(ended.map((event) => [event.id, event]));
  const unheard = ended.filter(({ id }) => !received.has(id));
  const invented = [...received.values()].filter(({ id }) => !audited.has(id));
  const different = [...received.values()].filter(({ id, type, fileId }) => {
    const event = audited.get(id);
    return event !== undefined && (event.type !== type || event.fileId !== fileId);
  });
  return [
    { rule: 'every ending of a file was reported to subscribers', rows: unheard },
    { rule: 'subscribers were told of no ending that did not happen', rows: invented },
    { rule: 'a notice says what the audit says', rows: different },
  ]
    .filter(({ rows }) => rows.length > 0)
    .map(({ rule, rows }) => ({ rule, rows: rows.slice(0, MOST_SHOWN) }));
}
