import { type Board, quantile, query, rate } from '../board.ts';

const CHOSEN = 'tenant=~"$tenant", partner=~"$partner"';

export const partners: Board = {
  uid: 'longshore-partners',
  title: 'partners and records',
  description: 'The partners that are called, and the records that are sent to them.',
  variables: [
    { name: 'tenant', metric: 'longshore_record_calls_total' },
    { name: 'partner', metric: 'longshore_record_calls_total' },
  ],
  rows: [
    {
      title: 'Calls',
      panels: [
        {
          title: 'By outcome',
          why: 'Calls per second; `wait` was found out before anything was sent: a rate, a breaker, a hold.',
          unit: 'ops',
          isStacked: true,
          queries: [
            query(
              '{{partner}} {{outcome}}',
              `sum by (partner, outcome) (${rate(`longshore_record_calls_total{${CHOSEN}}`)})`,
            ),
          ],
        },
        {
          title: 'By operation',
          why: 'Which of the partner’s APIs is asked.',
          unit: 'ops',
          isStacked: true,
          queries: [
            query(
              '{{partner}} {{operation}}',
              `sum by (partner, operation) (${rate(`longshore_record_calls_total{${CHOSEN}}`)})`,
            ),
          ],
        },
        {
          title: 'Run time, p50 and p95',
          why: 'A partner that becomes slow fills the slots before it fails.',
          unit: 's',
          queries: [0.5, 0.95].map((share) =>
            query(
              `{{partner}} p${share * 100}`,
              quantile(share, 'longshore_record_call_seconds', { by: ['partner'], where: `{${CHOSEN}}` }),
            ),
          ) as [ReturnType<typeof query>],
        },
      ],
    },
    {
      title: 'Health',
      panels: [
        {
          title: 'Calls without an answer that counts',
          why: 'Share of all that were sent: to be repeated, or ambiguous. What a partner rejects is an answer.',
          unit: 'percentunit',
          bound: 0.2,
          queries: [
            query(
              '{{tenant}} {{partner}}',
              `sum by (tenant, partner) (rate(longshore_record_calls_total{outcome=~"retryable|ambiguous", ${CHOSEN}}[5m])) / sum by (tenant, partner) (rate(longshore_record_calls_total{outcome!="wait", ${CHOSEN}}[5m]))`,
            ),
          ],
        },
        {
          title: 'Processes whose breaker is open',
          why: 'Work for that partner waits; no other partner is slowed.',
          unit: 'short',
          bound: 1,
          queries: [
            query(
              '{{tenant}} {{partner}}',
              `sum by (tenant, partner) (longshore_record_partner_breaker_open{${CHOSEN}})`,
            ),
          ],
        },
        {
          title: 'Partners held by an operator',
          why: 'Paused, or with the breaker opened by hand: their work waits until somebody resumes it.',
          unit: 'short',
          queries: [query('{{by}}', 'max by (by) (longshore_partners_held)')],
        },
        {
          title: 'Held for, the longest',
          why: 'After a day an alert asks whether it was forgotten.',
          unit: 's',
          bound: 86_400,
          queries: [query('longest', 'max(longshore_partner_held_seconds)')],
        },
      ],
    },
    {
      title: 'Remotes',
      panels: [
        {
          title: 'Pulls',
          why: 'Files of remotes that left a worker’s hands, per second; `waiting` ones had no connection yet.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_pulls_total')})`)],
        },
        {
          title: 'Time of a pull and of a listing, p95',
          why: 'Connecting, fetching and cleaning up. It grows with the files and with slow partners.',
          unit: 's',
          queries: [
            query('pull', quantile(0.95, 'longshore_pull_seconds')),
            query('listing', quantile(0.95, 'longshore_source_listing_seconds')),
          ],
        },
        {
          title: 'Connections to remotes',
          why: 'Of all processes together; each remote has its `limits.connections`.',
          unit: 'short',
          queries: [query('connections', 'max(longshore_remote_connections)')],
        },
        {
          title: 'Remotes and sources in trouble',
          why: '`refused`: the credentials are not tried for now. `overdue`: sources that are not listed.',
          unit: 'short',
          bound: 1,
          queries: [
            query('failing', 'max(longshore_remotes_failing)'),
            query('refused', 'max(longshore_remote_breakers_open)'),
            query('overdue', 'max(longshore_sources_overdue)'),
          ],
        },
        {
          title: 'Leases on pulls lost',
          why: 'A worker was too slow or cut off; another one continues.',
          unit: 'ops',
          bound: 0.1,
          queries: [query('lost', `sum(${rate('longshore_pull_leases_lost_total')})`)],
        },
        {
          title: 'Certificate that ends first',
          why: 'Days that are left.',
          unit: 'short',
          queries: [query('days', 'min(longshore_certificate_days)')],
        },
      ],
    },
    {
      title: 'Records',
      panels: [
        {
          title: 'Records that ended',
          why: 'By state. `AMBIGUOUS` ones wait for an answer to what happened to them.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{state}}', `sum by (state) (${rate('longshore_records_total{tenant=~"$tenant"}')})`)],
        },
        {
          title: 'By route',
          why: 'Records per second that ended.',
          unit: 'ops',
          isStacked: true,
          queries: [
            query(
              '{{tenant}} {{route}}',
              `sum by (tenant, route) (${rate('longshore_records_total{tenant=~"$tenant"}')})`,
            ),
          ],
        },
        {
          title: 'Records under way',
          why: 'Between the beginning of their walk and its end, in all processes.',
          unit: 'short',
          queries: [query('records', 'sum(longshore_record_begun)')],
        },
        {
          title: 'Chunks',
          why: 'Chunks of records that left a worker’s hands, by why.',
          unit: 'ops',
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_record_chunks_total')})`)],
        },
      ],
    },
  ],
};
