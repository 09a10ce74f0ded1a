import { type Board, quantile, query, rate } from '../board.ts';

const CHOSEN = 'tenant=~"$tenant", route=~"$route"';
const FILES = `longshore_files_total{${CHOSEN}}`;

export const routesAndTenants: Board = {
  uid: 'longshore-routes',
  title: 'routes and tenants',
  description: 'Whose files, on which routes, and what happened to them.',
  variables: [
    { name: 'tenant', metric: 'longshore_files_total' },
    { name: 'route', metric: 'longshore_files_total' },
  ],
  rows: [
    {
      title: 'Files',
      panels: [
        {
          title: 'By tenant',
          why: 'Files per second that ended.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{tenant}}', `sum by (tenant) (${rate(FILES)})`)],
        },
        {
          title: 'By route',
          why: 'Files per second that ended.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{tenant}} {{route}}', `sum by (tenant, route) (${rate(FILES)})`)],
        },
        {
          title: 'Bytes by tenant',
          why: 'Of the files that ended.',
          unit: 'Bps',
          isStacked: true,
          queries: [query('{{tenant}}', `sum by (tenant) (${rate(`longshore_file_bytes_total{${CHOSEN}}`)})`)],
        },
      ],
    },
    {
      title: 'Failures',
      panels: [
        {
          title: 'Failed share by route',
          why: 'A partner sends something else than agreed, or a destination is down.',
          unit: 'percentunit',
          bound: 0.05,
          queries: [
            query(
              '{{tenant}} {{route}}',
              `sum by (tenant, route) (rate(longshore_files_total{outcome="failed", ${CHOSEN}}[15m])) / sum by (tenant, route) (rate(${FILES}[15m]))`,
            ),
          ],
        },
        {
          title: 'Failed files in the hour',
          why: 'How many somebody may have to look at.',
          unit: 'short',
          queries: [
            query(
              '{{tenant}} {{route}}',
              `sum by (tenant, route) (increase(longshore_files_total{outcome="failed", ${CHOSEN}}[1h]))`,
            ),
          ],
        },
      ],
    },
    {
      title: 'Steps, all tenants',
      panels: [
        {
          title: 'Run time, p95',
          why: 'One try of a step.',
          unit: 's',
          queries: [query('{{kind}}', quantile(0.95, 'longshore_job_step_seconds', { by: ['kind'] }))],
        },
        {
          title: 'Tries',
          why: 'By kind of step and what they came to: many `retry` are a far end that is ill.',
          unit: 'ops',
          queries: [
            query('{{kind}} {{outcome}}', `sum by (kind, outcome) (${rate('longshore_job_step_seconds_count')})`),
          ],
        },
        {
          title: 'Where jobs went',
          why: 'From a worker’s hands. `lost` were taken by somebody else in between.',
          unit: 'ops',
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_jobs_total')})`)],
        },
      ],
    },
    {
      title: 'Arrival and routing, all tenants',
      panels: [
        {
          title: 'Decisions of the router',
          why: 'A file that no route takes is quarantined.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_routed_files_total')})`)],
        },
        {
          title: 'Jobs created',
          why: 'By queue, and whether they were let in at once.',
          unit: 'ops',
          isStacked: true,
          queries: [
            query('{{queue}} {{admission}}', `sum by (queue, admission) (${rate('longshore_created_jobs_total')})`),
          ],
        },
        {
          title: 'Found without an event',
          why: 'Objects in landing without an event: an event rule or its permissions may be broken.',
          unit: 'short',
          queries: [query('{{outcome}}', 'sum by (outcome) (increase(longshore_reconciled_objects_total[1h]))')],
        },
      ],
    },
    {
      title: 'Notices, all tenants',
      panels: [
        {
          title: 'Tries',
          why: 'Notices by webhook, chat and mail, by outcome.',
          unit: 'ops',
          queries: [query('{{channel}} {{outcome}}', `sum by (channel, outcome) (${rate('longshore_notices_total')})`)],
        },
        {
          title: 'Open',
          why: 'Notices and digests that wait for their channel, or for an operator.',
          unit: 'short',
          queries: [query('{{state}}', 'max by (state) (longshore_open_notices)')],
        },
        {
          title: 'Oldest due',
          why: 'The retry-sweeper does not get them out, or a receiver is slow.',
          unit: 's',
          bound: 60,
          queries: [query('notices', 'max(longshore_notices_oldest_due_seconds)')],
        },
      ],
    },
  ],
};
