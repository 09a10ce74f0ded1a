import { type Board, quantile, query, rate } from '../board.ts';

export const queues: Board = {
  uid: 'longshore-queues',
  title: 'queues',
  description: 'What is in the queues, which service receives it, and the outcome.',
  variables: [{ name: 'queue', metric: 'longshore_queue_messages' }],
  rows: [
    {
      title: 'Depth',
      panels: [
        {
          title: 'Visible messages',
          why: 'Wait for a worker. Workers scale on this and on the rows that wait for admission, together.',
          unit: 'short',
          queries: [query('{{queue}}', 'max by (queue) (longshore_queue_messages{queue=~"$queue", state="visible"})')],
        },
        {
          title: 'In flight, as the queue counts',
          why: 'Received and not yet deleted.',
          unit: 'short',
          queries: [
            query('{{queue}}', 'max by (queue) (longshore_queue_messages{queue=~"$queue", state="in flight"})'),
          ],
        },
        {
          title: 'Rows waiting for admission',
          why: 'Work of one tenant beyond its admission window; it waits in its own line.',
          unit: 'short',
          queries: [query('{{queue}}', 'max by (queue) (longshore_open_rows{state="waiting for admission"})')],
        },
      ],
    },
    {
      title: 'Throughput',
      panels: [
        {
          title: 'Received',
          why: 'Messages per second over all instances.',
          unit: 'ops',
          queries: [query('{{queue}}', `sum by (queue) (${rate('longshore_queue_received_total{queue=~"$queue"}')})`)],
        },
        {
          title: 'Done with',
          why: '`acknowledge` is done; `release` and `leave` come again; `failed` spends one of three receives.',
          unit: 'ops',
          queries: [
            query(
              '{{queue}} {{disposition}}',
              `sum by (queue, disposition) (${rate('longshore_queue_handled_total{queue=~"$queue"}')})`,
            ),
          ],
        },
        {
          title: 'Handler run time, p95',
          why: 'One message, or one batch, from its handler’s beginning to its end.',
          unit: 's',
          queries: [
            query(
              '{{queue}}',
              quantile(0.95, 'longshore_queue_handle_seconds', { by: ['queue'], where: '{queue=~"$queue"}' }),
            ),
          ],
        },
      ],
    },
    {
      title: 'Trouble',
      panels: [
        {
          title: 'Wait of messages, p95',
          why: 'From sending to the first receive: too few workers, or none. Wake-ups wait in it only when all slots are taken.',
          unit: 's',
          bound: 30,
          queries: [query('{{queue}}', quantile(0.95, 'longshore_queue_wait_seconds', { by: ['queue'] }))],
        },
        {
          title: 'Messages in DLQs',
          why: 'Should be none: the retry-sweeper takes them out within seconds.',
          unit: 'short',
          bound: 1,
          queries: [query('{{queue}}', 'max by (queue) (longshore_queue_messages{queue=~".*-dlq", state="visible"})')],
        },
        {
          title: 'Dead letters',
          why: 'Taken out of the DLQs in five minutes, by outcome.',
          unit: 'short',
          queries: [query('{{queue}} {{state}}', 'sum by (queue, state) (increase(longshore_dead_letters_total[5m]))')],
        },
        {
          title: 'Since the last poll',
          why: 'A poller asks at least every few seconds. Over a minute it has died silently.',
          unit: 's',
          bound: 60,
          queries: [query('{{job}} {{queue}}', 'max by (job, queue) (longshore_queue_last_poll_age_seconds)')],
        },
        {
          title: 'Errors',
          why: 'Polls, acknowledgements and lease extensions that failed, and messages that no schema accepts.',
          unit: 'ops',
          queries: [
            query('polls {{queue}}', `sum by (queue) (${rate('longshore_queue_poll_errors_total')})`),
            query(
              'acknowledgements {{queue}}',
              `sum by (queue) (${rate('longshore_queue_acknowledge_failures_total')})`,
            ),
            query('leases {{queue}}', `sum by (queue) (${rate('longshore_queue_leases_lost_total')})`),
            query('invalid {{queue}}', `sum by (queue) (${rate('longshore_queue_invalid_total')})`),
          ],
        },
        {
          title: 'Wake-ups by the clocks',
          why: 'Retries and what is due. `missing` are those that a queue had lost, `refused` rows that the database refuses to change.',
          unit: 'ops',
          queries: [
            query('{{queue}} {{row}}', `sum by (queue, row) (${rate('longshore_sweeper_wakes_total')})`),
            query('missing {{queue}}', `sum by (queue) (${rate('longshore_sweeper_missing_wakes_total')})`),
            query('refused {{row}}', `sum by (row) (${rate('longshore_sweeper_refused_rows_total')})`),
            query('unsent', `sum(${rate('longshore_wake_ups_unsent_total')})`),
          ],
        },
        {
          title: 'Ticks of the clocks',
          why: 'Run time of 95 % of the ticks of the retry-sweeper; above 0.05 s at rest a table grows faster than its index serves.',
          unit: 's',
          queries: [query('{{clock}}', quantile(0.95, 'longshore_clock_seconds', { by: ['clock'] }))],
        },
        {
          title: 'Open actions',
          why: 'Operator actions on many jobs, files or dead letters: running, paused, or waiting for a second person.',
          unit: 'short',
          queries: [query('{{state}}', 'max by (state) (longshore_open_actions)')],
        },
        {
          title: 'Taken by actions',
          why: 'Jobs, files and dead letters per second, by verb.',
          unit: 'ops',
          queries: [query('{{verb}}', `sum by (verb) (${rate('longshore_action_items_total')})`)],
        },
        {
          title: 'Throttles and timeouts',
          why: 'Requests to SQS and the object store, repeats included. Some are normal; a minute after minute is not.',
          unit: 'ops',
          queries: [
            query(
              '{{dependency}} {{fault}}',
              `sum by (dependency, fault) (${rate('longshore_dependency_faults_total')})`,
            ),
          ],
        },
        {
          title: 'SQS requests',
          why: 'What the bill counts.',
          unit: 'ops',
          isStacked: true,
          queries: [query('{{operation}}', `sum by (operation) (${rate('longshore_sqs_requests_total')})`)],
        },
      ],
    },
  ],
};
