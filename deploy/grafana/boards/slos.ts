import { type Board, quantile, query } from '../board.ts';

const burn = (slo: string) =>
  [query('1 h', `longshore:${slo}:burn_rate1h`), query('6 h', `longshore:${slo}:burn_rate6h`)] as const;

export const slos: Board = {
  uid: 'longshore-slos',
  title: 'objectives',
  description: 'What is promised, what is left of it this month, and how fast it is being used up.',
  rows: [
    {
      title: 'Over 30 days',
      panels: [
        {
          title: 'Work begun in time',
          why: 'Share of minutes in which nothing had been due for over 30 s. Promised: 99.5 %.',
          unit: 'percentunit',
          shows: 'now',
          queries: [query('', '1 - avg_over_time(longshore:work_late:bool[30d])')],
        },
        {
          title: 'Files carried',
          why: 'Share of files that did not fail. Promised: 99 %. Partners’ own faults count, too.',
          unit: 'percentunit',
          shows: 'now',
          queries: [
            query(
              '',
              '1 - (sum(increase(longshore_files_total{outcome="failed"}[30d])) or vector(0)) / sum(increase(longshore_files_total[30d]))',
            ),
          ],
        },
        {
          title: 'Small files in 30 s',
          why: 'Share that was archived within 30 s of its arrival, failed ones too. Promised: 95 %.',
          unit: 'percentunit',
          shows: 'now',
          queries: [
            query(
              '',
              'sum(increase(longshore_small_files_total{pace="in time"}[30d])) / sum(increase(longshore_small_files_total[30d]))',
            ),
          ],
        },
        {
          title: 'API answered',
          why: 'Share of requests without a 5xx. Promised: 99.9 %.',
          unit: 'percentunit',
          shows: 'now',
          queries: [
            query(
              '',
              '1 - (sum(increase(longshore_api_request_seconds_count{status=~"5.."}[30d])) or vector(0)) / sum(increase(longshore_api_request_seconds_count[30d]))',
            ),
          ],
        },
        {
          title: 'API under 0.5 s',
          why: 'Share of requests. Promised: 99 %.',
          unit: 'percentunit',
          shows: 'now',
          queries: [
            query(
              '',
              'sum(increase(longshore_api_request_seconds_bucket{le="0.5"}[30d])) / sum(increase(longshore_api_request_seconds_count[30d]))',
            ),
          ],
        },
      ],
    },
    {
      title: 'Burn rate: 1 uses the month’s budget in a month, 14 in two days',
      panels: [
        {
          title: 'Work begun in time',
          why: 'Over 14 in an hour and in five minutes: somebody is woken.',
          unit: 'short',
          bound: 14,
          queries: [...burn('work_late')],
        },
        {
          title: 'Files carried',
          why: 'Over 14 in an hour and in five minutes: somebody is woken.',
          unit: 'short',
          bound: 14,
          queries: [...burn('files_failed')],
        },
        {
          title: 'API answered',
          why: 'Over 14 in an hour and in five minutes: somebody is woken.',
          unit: 'short',
          bound: 14,
          queries: [...burn('api_errors')],
        },
      ],
    },
    {
      title: 'Behind them',
      panels: [
        {
          title: 'Oldest due',
          why: 'What the first objective is about.',
          unit: 's',
          bound: 30,
          queries: [query('{{queue}}', 'max by (queue) (longshore_oldest_due_seconds)')],
        },
        {
          title: 'Failed share',
          why: 'Of the files that ended in five minutes.',
          unit: 'percentunit',
          bound: 0.05,
          queries: [query('failed', 'longshore:files_failed:ratio_rate5m')],
        },
        {
          title: 'Time of a file, p95',
          why: 'From the end of its upload to its archive. What has records goes at its partners’ pace, what was attended at a person’s.',
          unit: 's',
          bound: 30,
          queries: [query('{{class}}', quantile(0.95, 'longshore_file_seconds', { by: ['class'] }))],
        },
        {
          title: 'API time, p95',
          why: 'Over all routes.',
          unit: 's',
          bound: 0.5,
          queries: [
            query('p95', 'histogram_quantile(0.95, sum by (le) (rate(longshore_api_request_seconds_bucket[5m])))'),
          ],
        },
      ],
    },
  ],
};
