/** Queries of CloudWatch Logs Insights that are saved with the fleet. Fields are those of the services' log lines, and of Transfer Family's. */

interface LogQuery {
  readonly name: string;
  /** Whose log groups: of all services, or of one. */
  readonly group: 'services' | 'sftp' | 'sftp-logins';
  readonly query: string;
}

export const LOG_QUERIES: readonly LogQuery[] = [
  {
    name: 'One file through all services',
    group: 'services',
    query: `fields @timestamp, service, msg, jobId, step, state, cause, durationMs
| filter fileId = "PUT THE ID OF THE FILE HERE"
| sort @timestamp asc
| limit 1000`,
  },
  {
    name: 'Errors by service and message',
    group: 'services',
    query: `filter level = "error" or level = "fatal"
| stats count(*) as times, latest(@timestamp) as last by service, msg
| sort times desc
| limit 100`,
  },
  {
    name: 'Jobs by how their work ended',
    group: 'services',
    query: `filter msg = "job handled"
| stats count(*) as times, pct(durationMs, 50) as p50, pct(durationMs, 95) as p95, max(durationMs) as longest
  by service, tenant, route, step, state, cause
| sort times desc
| limit 200`,
  },
  {
    name: 'Slowest work',
    group: 'services',
    query: `filter ispresent(durationMs)
| sort durationMs desc
| display @timestamp, service, msg, tenant, fileId, jobId, durationMs
| limit 100`,
  },
  {
    name: 'SFTP sessions',
    group: 'sftp',
    // Of a session only the first line has the user and the address.
    query: `filter ispresent(\`session-id\`)
| stats min(@timestamp) as first, max(@timestamp) as last, sortsLast(user) as username, sortsLast(\`source-ip\`) as sourceIp,
  sum(\`bytes-in\`) as bytesIn, sum(\`bytes-out\`) as bytesOut, count(*) as lines by \`session-id\`
| sort first desc
| limit 200`,
  },
  {
    name: 'SFTP logins that were refused',
    group: 'sftp-logins',
    query: `filter msg = "login decided" and outcome not in ["accepted", "keys given"]
| stats count(*) as times, latest(@timestamp) as last by username, sourceIp, outcome
| sort times desc
| limit 100`,
  },
];
