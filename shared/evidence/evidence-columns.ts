/** The columns of a line of evidence: one list for what is written, the table in Athena, and whoever else reads it. Pure. */

interface EvidenceColumn {
  readonly name: string;
  /** The same word in Athena and DuckDB. */
  readonly type: 'bigint' | 'string';
  readonly meaning: string;
  /** Taken out of `detail`. */
  readonly field?: string;
}

export const EVIDENCE_COLUMNS = [
  { name: 'line', type: 'bigint', meaning: 'number of the line over all tenants, from 1, without gaps' },
  { name: 'event_time', type: 'string', meaning: 'when it happened: RFC 3339 in UTC, with microseconds' },
  { name: 'event_id', type: 'string', meaning: 'stable id of the event' },
  { name: 'type', type: 'string', meaning: 'its type, see docs/reference/events.md' },
  { name: 'tenant', type: 'string', meaning: 'the tenant; `unassigned` for none' },
  { name: 'file_id', type: 'string', meaning: 'the file, if it is about one' },
  { name: 'job_id', type: 'string', meaning: 'the job, if it is about one' },
  { name: 'actor', type: 'string', meaning: 'the service, key or person that did it' },
  { name: 'tenant_line', type: 'bigint', meaning: "number of the line in the tenant's chain" },
  { name: 'hash', type: 'string', meaning: 'hash of the line and of the line before it, hex' },
  { name: 'detail', type: 'string', meaning: 'the rest, as JSON' },
  { name: 'size_bytes', type: 'bigint', meaning: 'size of the file', field: 'sizeBytes' },
  { name: 'duration_ms', type: 'bigint', meaning: 'how long it took; of a file since its upload', field: 'durationMs' },
  { name: 'code', type: 'string', meaning: 'error code', field: 'code' },
  { name: 'cause', type: 'string', meaning: 'what was wrong', field: 'cause' },
  { name: 'message', type: 'string', meaning: 'what was wrong, as a sentence', field: 'message' },
  { name: 'step', type: 'string', meaning: 'kind of the step', field: 'step' },
  { name: 'reason', type: 'string', meaning: 'why a person did it', field: 'reason' },
  { name: 'session_id', type: 'string', meaning: 'the SFTP session', field: 'sessionId' },
  { name: 'username', type: 'string', meaning: 'the SFTP user', field: 'username' },
  { name: 'client_ip', type: 'string', meaning: 'where the SFTP session came from', field: 'clientIp' },
  { name: 'failure', type: 'string', meaning: 'why an action of an SFTP session failed', field: 'failure' },
] as const satisfies readonly EvidenceColumn[];

/** Both from `event_time`, so that a question about some days reads no others. */
export const EVIDENCE_PARTITIONS = ['dt', 'hour'] as const;

export const EVIDENCE_PREFIX = 'events/';

export interface EvidenceEvent {
  readonly line: number;
  readonly event_time: string;
  readonly event_id: string;
  readonly type: string;
  readonly tenant: string;
  readonly file_id: string | null;
  readonly job_id: string | null;
  readonly actor: string;
  readonly tenant_line: number;
  readonly hash: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** A line of NDJSON; a column without a value is absent. */
export function evidenceLine(event: EvidenceEvent): string {
  const { detail } = event;
  const line: Record<string, unknown> = {};
  for (const column of EVIDENCE_COLUMNS) {
    if (column.name === 'detail') line.detail = JSON.stringify(detail);
    else if ('field' in column) line[column.name] = columnValue(detail[column.field], column.type);
    else line[column.name] = event[column.name] ?? undefined;
  }
  return `${JSON.stringify(line)}\n`;
}

/** What is of another type stays in `detail` alone: one such value would make its whole object unreadable. */
function columnValue(value: unknown, type: EvidenceColumn['type']): unknown {
  if (type === 'string') return typeof value === 'string' ? value : undefined;
  return Number.isSafeInteger(value) ? value : undefined;
}
