import { type Board, query } from '../board.ts';

export const filesAndSessions: Board = {
  uid: 'longshore-files',
  title: 'files and sessions',
  description:
    'What came, what failed and who was connected, read from the database by a role that sees this alone, and the history of alarms.',
  readsDatabase: true,
  rows: [
    {
      title: 'Now',
      panels: [
        {
          title: 'The last ten files',
          why: 'Newest first. `error` says why a file failed or was quarantined.',
          shows: 'table',
          sql: `SELECT created_at AS "arrived", tenant_id AS "tenant", name, size_bytes AS "bytes", lower(status) AS "status",
  error_code AS "error", round(extract(epoch FROM finished_at - created_at)::numeric, 1) AS "seconds"
FROM files WHERE status <> 'COMPANION' ORDER BY created_at DESC, id DESC LIMIT 10`,
        },
        {
          title: 'Files by status',
          why: 'Of those that arrived in the time shown.',
          shows: 'pie',
          sql: `SELECT lower(status) AS "status", count(*) AS "files" FROM files
WHERE $__timeFilter(created_at) AND status <> 'COMPANION' GROUP BY status ORDER BY 2 DESC`,
        },
      ],
    },
    {
      title: 'Files',
      panels: [
        {
          title: 'Files an hour',
          why: 'That arrived, by hour.',
          shows: 'bars',
          sql: `SELECT date_trunc('hour', created_at) AS "time", count(*) AS "files" FROM files
WHERE $__timeFilter(created_at) AND status <> 'COMPANION' GROUP BY 1 ORDER BY 1`,
        },
        {
          title: 'Failures a day',
          why: 'Files that failed or were quarantined, by the day (UTC) on which they did.',
          shows: 'bars',
          sql: `SELECT date_trunc('day', finished_at, 'UTC') AS "time",
  count(*) FILTER (WHERE status = 'FAILED') AS "failed", count(*) FILTER (WHERE status = 'QUARANTINED') AS "quarantined"
FROM files WHERE status IN ('FAILED', 'QUARANTINED') AND $__timeFilter(finished_at) GROUP BY 1 ORDER BY 1`,
        },
      ],
    },
    {
      title: 'SFTP',
      panels: [
        {
          title: 'Sessions',
          why: 'Those with an action in the time shown, the newest fifty; what each did: `longshore sftp-sessions show ID`.',
          shows: 'table',
          sql: `SELECT first_at AS "begun", last_at AS "last action", tenant_id AS "tenant", username AS "user", client_ip AS "from",
  uploads, uploaded_bytes AS "bytes up", downloads, downloaded_bytes AS "bytes down", failures, id
FROM sftp_sessions WHERE $__timeFilter(first_at) ORDER BY first_at DESC, id DESC LIMIT 50`,
        },
      ],
    },
    {
      title: 'Alarms',
      panels: [
        {
          title: 'History',
          why: 'Which alerts were raised, and for how long. `page` wakes somebody, `ticket` waits for the morning.',
          unit: 'short',
          shows: 'history',
          queries: [query('{{alertname}}', 'max by (alertname, severity) (ALERTS{alertstate="firing"})')],
        },
      ],
    },
  ],
};
