/** The gateway's metrics. Labels are bounded: never a user, a path or an address. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export function createSftpMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const uploads = new Counter({
    name: 'longshore_sftp_uploads_total',
    help: 'Uploads by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  // A counter that begins at 1 has no increase.
  for (const outcome of ['completed', 'partial', 'failed']) uploads.inc({ outcome }, 0);
  return {
    registry,
    sockets: new Gauge({
      name: 'longshore_sftp_unauthenticated_sockets',
      help: 'Connections that have not logged in yet.',
      registers,
    }),
    sessions: new Gauge({ name: 'longshore_sftp_sessions', help: 'Connections that are logged in.', registers }),
    refusedConnections: new Counter({
      name: 'longshore_sftp_refused_connections_total',
      help: 'Connections closed by a limit or a deadline.',
      labelNames: ['reason'],
      registers,
    }),
    authFailures: new Counter({
      name: 'longshore_sftp_auth_failures_total',
      help: 'Login attempts refused.',
      labelNames: ['reason'],
      registers,
    }),
    receivedBytes: new Counter({
      name: 'longshore_sftp_received_bytes_total',
      help: 'File bytes received from clients.',
      registers,
    }),
    sentBytes: new Counter({ name: 'longshore_sftp_sent_bytes_total', help: 'File bytes sent to clients.', registers }),
    uploads,
    requests: new Counter({
      name: 'longshore_sftp_requests_total',
      help: 'SFTP requests by operation and by the code of the refusal, `ok` when there was none.',
      labelNames: ['operation', 'code'],
      registers,
    }),
  };
}

export type SftpMetrics = ReturnType<typeof createSftpMetrics>;
