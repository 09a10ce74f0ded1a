import { type Board, query, rate } from '../board.ts';

export const database: Board = {
  uid: 'longshore-database',
  title: 'database',
  description:
    'The one thing that all services share: its connections, what is written together, and what waits in it to leave.',
  rows: [
    {
      title: 'Connections',
      panels: [
        {
          title: 'By program',
          why: 'Each process opens at most `DATABASE_POOL_MAX`.',
          unit: 'short',
          isStacked: true,
          queries: [
            query(
              '{{application}}',
              'sum by (application) (max by (application, state) (longshore_database_connections))',
            ),
          ],
        },
        {
          title: 'By what they do',
          why: 'Many `active` ones for long: the database is the bottleneck, and more tasks make it worse.',
          unit: 'short',
          isStacked: true,
          queries: [
            query('{{state}}', 'sum by (state) (max by (application, state) (longshore_database_connections))'),
          ],
        },
        {
          title: 'Share of all it takes',
          why: 'Over 80 % the next deployment may be refused.',
          unit: 'percentunit',
          bound: 0.8,
          queries: [
            query(
              'used',
              'sum(max by (application, state) (longshore_database_connections)) / max(longshore_database_connections_max)',
            ),
          ],
        },
      ],
    },
    {
      title: 'Answers',
      panels: [
        {
          title: 'A statement that does nothing',
          why: 'With its wait for a connection. High in one service: its own connections are all taken. High in all: the database is slow.',
          unit: 's',
          bound: 1,
          queries: [query('{{job}}', 'max by (job) (longshore_database_answer_seconds)')],
        },
      ],
    },
    {
      title: 'Group commit',
      panels: [
        {
          title: 'Rows in one statement, mean',
          why: 'Grows under load: that is what carries a burst.',
          unit: 'short',
          queries: [
            query(
              '{{statement}}',
              `sum by (statement) (${rate('longshore_group_commit_rows_sum')}) / sum by (statement) (${rate('longshore_group_commit_rows_count')})`,
            ),
          ],
        },
        {
          title: 'Statements',
          why: 'Of claims and outcomes, per second.',
          unit: 'ops',
          queries: [query('{{statement}}', `sum by (statement) (${rate('longshore_group_commit_rows_count')})`)],
        },
      ],
    },
    {
      title: 'Retention',
      panels: [
        {
          title: 'Expired files',
          why: 'Deleted per second, or kept and why. A hold keeps its files until it is released.',
          unit: 'ops',
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_expired_files_total')})`)],
        },
        {
          title: 'Objects of expired files',
          why: '`refused` are asked for again: object lock, or a missing permission.',
          unit: 'ops',
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_expired_objects_total')})`)],
        },
        {
          title: 'Overdue',
          why: 'For how long the oldest of what has expired has waited to be deleted.',
          unit: 's',
          bound: 86_400,
          queries: [query('{{what}}', 'max by (what) (longshore_expiry_overdue_seconds)')],
        },
      ],
    },
    {
      title: 'Outbox',
      panels: [
        {
          title: 'Events that wait',
          why: 'For their topic.',
          unit: 'short',
          queries: [query('rows', 'max(longshore_outbox_rows)')],
        },
        {
          title: 'Oldest event',
          why: 'Nothing is lost: rows stay until they are sent.',
          unit: 's',
          bound: 60,
          queries: [query('oldest', 'max(longshore_outbox_oldest_seconds)')],
        },
        {
          title: 'Published',
          why: '`refused` come again.',
          unit: 'ops',
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_outbox_published_total')})`)],
        },
      ],
    },
  ],
};
