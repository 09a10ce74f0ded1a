import { type Board, query, rate } from '../board.ts';

export const frontDoor: Board = {
  uid: 'longshore-front-door',
  title: 'front door',
  description:
    'SFTP and the events of arrivals, where one machine has them in place of Transfer Family and EventBridge.',
  rows: [
    {
      title: 'SFTP',
      panels: [
        {
          title: 'Uploads',
          why: 'By outcome: `partial` were cut off, `failed` could not be stored.',
          unit: 'ops',
          queries: [query('{{outcome}}', `sum by (outcome) (${rate('longshore_sftp_uploads_total')})`)],
        },
        {
          title: 'Bytes',
          why: 'From and to clients.',
          unit: 'Bps',
          queries: [
            query('received', `sum(${rate('longshore_sftp_received_bytes_total')})`),
            query('sent', `sum(${rate('longshore_sftp_sent_bytes_total')})`),
          ],
        },
        {
          title: 'Connections',
          why: 'Many that never log in: somebody knocks.',
          unit: 'short',
          queries: [
            query('logged in', 'sum(longshore_sftp_sessions)'),
            query('not logged in', 'sum(longshore_sftp_unauthenticated_sockets)'),
          ],
        },
        {
          title: 'Logins refused',
          why: 'Somebody guesses, or a partner’s key changed.',
          unit: 'ops',
          bound: 0.1,
          queries: [query('{{reason}}', `sum by (reason) (${rate('longshore_sftp_auth_failures_total')})`)],
        },
        {
          title: 'Connections refused',
          why: 'By a limit or a deadline.',
          unit: 'ops',
          queries: [query('{{reason}}', `sum by (reason) (${rate('longshore_sftp_refused_connections_total')})`)],
        },
        {
          title: 'Requests refused',
          why: 'By operation and code.',
          unit: 'ops',
          queries: [
            query(
              '{{operation}} {{code}}',
              `sum by (operation, code) (${rate('longshore_sftp_requests_total{code!="ok"}')})`,
            ),
          ],
        },
      ],
    },
    {
      title: 'Events',
      panels: [
        {
          title: 'Sent to the queue',
          why: 'By type.',
          unit: 'ops',
          queries: [query('{{detail_type}}', `sum by (detail_type) (${rate('longshore_event_bridge_events_total')})`)],
        },
        {
          title: 'Sends that failed',
          why: 'They stay in the journal and are sent again.',
          unit: 'ops',
          queries: [query('{{source}}', `sum by (source) (${rate('longshore_event_bridge_send_failures_total')})`)],
        },
        {
          title: 'Oldest that waits',
          why: 'The queue’s server does not answer.',
          unit: 's',
          bound: 60,
          queries: [query('{{source}}', 'max by (source) (longshore_event_bridge_oldest_waiting_seconds)')],
        },
      ],
    },
  ],
};
