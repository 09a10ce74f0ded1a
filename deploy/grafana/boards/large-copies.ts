import { type Board, quantile, query, rate } from '../board.ts';

const WORKER = 'job="large-file-worker"';
const QUEUES = 'queue=~"(platinum-)?work"';

export const largeCopies: Board = {
  uid: 'longshore-large-copies',
  title: 'large copies',
  description: 'Long work: large copies, large parses and pulls, by the large-file-workers.',
  rows: [
    {
      title: 'Work',
      panels: [
        {
          title: 'Rows of the work queues',
          why: 'By what they wait for.',
          unit: 'short',
          isStacked: true,
          queries: [
            query(
              '{{queue}} {{state}}',
              `max by (queue, state) (longshore_open_rows{${QUEUES}, state!="waiting in all lanes"})`,
            ),
          ],
        },
        {
          title: 'Oldest due',
          why: 'A long copy that is held by a worker is not due.',
          unit: 's',
          bound: 120,
          queries: [query('{{queue}}', `max by (queue) (longshore_oldest_due_seconds{${QUEUES}})`)],
        },
        {
          title: 'Jobs in hand',
          why: 'Over all instances. A few each: parts, not jobs, fill the line.',
          unit: 'short',
          queries: [query('{{instance}}', `sum by (instance) (longshore_queue_in_flight{${QUEUES}})`)],
        },
      ],
    },
    {
      title: 'Copies',
      panels: [
        {
          title: 'Bytes that move',
          why: 'By how they move. None while jobs are in hand: copies stall.',
          unit: 'Bps',
          isStacked: true,
          queries: [query('{{plan}}', `sum by (plan) (${rate('longshore_copied_bytes_total')})`)],
        },
        {
          title: 'Standing still',
          why: 'How long the slowest open copy has made no progress, in any worker. Above 15 minutes an alert is raised.',
          unit: 's',
          bound: 900,
          queries: [query('stillest', 'max(longshore_copy_still_seconds)')],
        },
        {
          title: 'Requests to the object store',
          why: 'What the bill counts.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{operation}}', `sum by (operation) (${rate(`longshore_s3_requests_total{${WORKER}}`)})`)],
        },
        {
          title: 'Step run time, p95',
          why: 'One try, by kind.',
          unit: 's',
          queries: [
            query('{{kind}}', quantile(0.95, 'longshore_job_step_seconds', { by: ['kind'], where: `{${WORKER}}` })),
          ],
        },
      ],
    },
    {
      title: 'Workers',
      panels: [
        {
          title: 'Memory',
          why: 'Flat, whatever the size of files: slots times parts times their size bound it.',
          unit: 'bytes',
          queries: [query('{{instance}}', `process_resident_memory_bytes{${WORKER}}`)],
        },
        {
          title: 'Leases lost',
          why: 'Copies that another worker took over while this one was at work.',
          unit: 'ops',
          queries: [query('{{kind}}', `sum by (kind) (${rate(`longshore_leases_lost_total{${WORKER}}`)})`)],
        },
        {
          title: 'Archive copies, p95',
          why: 'The original’s way from landing to the archive, over both workers.',
          unit: 's',
          queries: [query('{{job}}', quantile(0.95, 'longshore_archive_seconds', { by: ['job'] }))],
        },
        {
          title: 'Archive copies',
          why: 'Tries, by outcome.',
          unit: 'ops',
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_archives_total')})`)],
        },
        {
          title: 'Virus scans',
          why: 'By verdict. Files wait while it says unavailable or untrusted.',
          unit: 'ops',
          queries: [query('{{verdict}}', `sum by (verdict) (${rate('longshore_scan_seconds_count')})`)],
        },
        {
          title: 'Virus scans, p95',
          why: 'Time for one file, of the scanner mostly.',
          unit: 's',
          queries: [query('{{verdict}}', quantile(0.95, 'longshore_scan_seconds', { by: ['verdict'] }))],
        },
      ],
    },
  ],
};
