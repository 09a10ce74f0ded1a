import { type Board, quantile, query, rate } from '../board.ts';

export const fleetOverview: Board = {
  uid: 'longshore-fleet',
  title: 'fleet overview',
  description: 'Is it well? The first one to open.',
  rows: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Files per minute',
          why: 'Files that ended on a route.',
          unit: 'short',
          shows: 'now',
          queries: [query('', 'sum(rate(longshore_files_total[5m])) * 60')],
        },
        {
          title: 'Failed share',
          why: 'Of the files that ended in the last 15 minutes. Above 5 % an alert is raised.',
          unit: 'percentunit',
          shows: 'now',
          bound: 0.05,
          queries: [
            query(
              '',
              'sum(rate(longshore_files_total{outcome="failed"}[15m])) / sum(rate(longshore_files_total[15m]))',
            ),
          ],
        },
        {
          title: 'Oldest due',
          why: 'For how long the oldest row has had something to do that nobody does.',
          unit: 's',
          shows: 'now',
          bound: 30,
          queries: [query('', 'max(longshore_oldest_due_seconds)')],
        },
        {
          title: 'Parked dead letters',
          why: 'Messages that wait for a person.',
          unit: 'short',
          shows: 'now',
          bound: 1,
          queries: [query('', 'max(longshore_parked_dead_letters)')],
        },
        {
          title: 'Blocked lines',
          why: 'Directories on ordered routes whose files wait behind a failed one.',
          unit: 'short',
          shows: 'now',
          bound: 1,
          queries: [query('', 'max(longshore_blocked_lines)')],
        },
        {
          title: 'Failing clock',
          why: 'Ticks of a clock of the sweeper that failed in a row.',
          unit: 'short',
          shows: 'now',
          bound: 5,
          queries: [query('', 'max(longshore_clock_failures)')],
        },
        {
          title: 'Processes down',
          why: 'Targets that Prometheus cannot read.',
          unit: 'short',
          shows: 'now',
          bound: 1,
          queries: [query('', 'count(up == 0)')],
        },
        {
          title: 'Open breakers',
          why: 'Partners that are let alone for now, in at least one process.',
          unit: 'short',
          shows: 'now',
          bound: 1,
          queries: [query('', 'count(max by (tenant, partner) (longshore_record_partner_breaker_open) == 1)')],
        },
      ],
    },
    {
      title: 'Files',
      panels: [
        {
          title: 'Files that ended',
          why: 'Files per second over all routes, by outcome.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_files_total')})`)],
        },
        {
          title: 'Bytes of files that ended',
          why: 'What was carried.',
          unit: 'Bps',
          isStacked: true,
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_file_bytes_total')})`)],
        },
        {
          title: 'Time of small files',
          why: 'From the end of the upload to the archive: the half and 95 % of them.',
          unit: 's',
          bound: 30,
          queries: [
            query('half', quantile(0.5, 'longshore_file_seconds', { where: '{class="small"}' })),
            query('95 %', quantile(0.95, 'longshore_file_seconds', { where: '{class="small"}' })),
          ],
        },
        {
          title: 'Arrivals',
          why: 'Events of the landing bucket, by what came of them.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_landing_events_total')})`)],
        },
      ],
    },
    {
      title: 'Work that waits',
      panels: [
        {
          title: 'Open rows',
          why: 'Files and jobs that are not done, by the queue that serves them.',
          unit: 'short',
          isStacked: true,
          queries: [query('{{queue}}', 'sum by (queue) (max by (queue, state) (longshore_open_rows))')],
        },
        {
          title: 'Oldest due',
          why: 'What nobody does although it is due. Retries and holds that wait for their time do not count.',
          unit: 's',
          bound: 30,
          queries: [query('{{queue}}', 'max by (queue) (longshore_oldest_due_seconds)')],
        },
      ],
    },
    {
      title: 'Processes',
      panels: [
        {
          title: 'Running',
          why: 'Instances of each service: what scaling did.',
          unit: 'short',
          queries: [query('{{job}}', 'sum by (job) (up)')],
        },
        {
          title: 'Processor',
          why: 'Cores that the busiest instance of each service uses. One is all that its own code can.',
          unit: 'short',
          bound: 0.8,
          queries: [query('{{job}}', `max by (job) (${rate('process_cpu_seconds_total')})`)],
        },
        {
          title: 'Memory',
          why: 'Of the largest instance of each service. It does not grow with the size of files.',
          unit: 'bytes',
          queries: [query('{{job}}', 'max by (job) (process_resident_memory_bytes)')],
        },
        {
          title: 'Event loop lag, p99',
          why: 'Over 0.2 s a process is starved, and its leases are in danger.',
          unit: 's',
          bound: 0.2,
          queries: [query('{{job}}', 'max by (job) (nodejs_eventloop_lag_p99_seconds)')],
        },
        {
          title: 'Starts',
          why: 'Processes that restarted in 15 minutes: deployments, scaling, or a crash loop.',
          unit: 'short',
          queries: [query('{{job}}', 'sum by (job) (changes(process_start_time_seconds[15m]))')],
        },
        {
          title: 'API answers',
          why: 'Requests per second, by status.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{status}}', `sum by (status) (${rate('longshore_api_request_seconds_count')})`)],
        },
        {
          title: 'API streams',
          why: 'Who watches jobs as they move; new ones are refused past LONGSHORE_API_STREAMS.',
          unit: 'short',
          queries: [query('streams', 'sum(longshore_api_streams)')],
        },
        {
          title: 'Chat',
          why: 'Questions of Slack and Teams. Refused ones carry no valid signature: a wrong secret, or a stranger.',
          unit: 'ops',
          queries: [query('{{chat}} {{outcome}}', `sum by (chat, outcome) (${rate('longshore_chat_requests_total')})`)],
        },
      ],
    },
  ],
};
