/**
 * PostgreSQL's settings on one machine: small memory, no tuning needed, and a commit that was answered is kept.
 *
 * 1. `synchronous_commit` stays on, so a commit that a service saw survives `kill -9` of any process.
 * 2. `fsync` stays on too: the promise is about files of partners, and it must not end at a power cut.
 * 3. Statements and their parameters never reach the log: they carry partners' data.
 */

const SETTINGS: Readonly<Record<string, string>> = {
  // Addresses: loopback only. No Unix socket, because a home's path may be longer than the 107 bytes it can have.
  unix_socket_directories: '',
  // Six services with a pool each, the command line and tests; a connection costs memory only when it is used.
  max_connections: '120',
  superuser_reserved_connections: '3',
  // Memory for a laptop that runs everything at once.
  shared_buffers: '64MB',
  work_mem: '4MB',
  maintenance_work_mem: '32MB',
  huge_pages: 'off',
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  max_parallel_maintenance_workers: '0',
  // Where nothing replicates, the log carries no more than recovery needs.
  wal_level: 'minimal',
  max_wal_senders: '0',
  min_wal_size: '96MB',
  max_wal_size: '512MB',
  wal_buffers: '4MB',
  // Short rows are updated many times each; without eager vacuuming the claim queries slow down under load.
  autovacuum_naptime: '10s',
  autovacuum_vacuum_scale_factor: '0.05',
  autovacuum_analyze_scale_factor: '0.02',
  autovacuum_vacuum_cost_delay: '1ms',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_error_statement: 'panic',
  log_parameter_max_length_on_error: '0',
  log_checkpoints: 'off',
  log_line_prefix: '',
};

/** Of a server that others follow, or that follows another. */
const REPLICATED: Readonly<Record<string, string>> = {
  wal_level: 'replica',
  // Also with a synchronous standby, but for what asks for more (`shared/db/commit-in-pair.ts`).
  synchronous_commit: 'local',
  max_wal_senders: '4',
  max_replication_slots: '4',
  // A standby that never comes back must not fill the disk: it is copied again.
  max_slot_wal_keep_size: '4GB',
  wal_receiver_status_interval: '1s',
  wal_receiver_timeout: '10s',
  wal_sender_timeout: '10s',
  wal_retrieve_retry_interval: '500ms',
};

export interface PostgresArguments {
  readonly dataDirectory: string;
  readonly host: string;
  readonly port: number;
  readonly isReplicated: boolean;
}

/** Command-line arguments: kept here, not in the data directory, so that a newer version's settings reach old homes. */
export function postgresArguments(options: PostgresArguments): string[] {
  const own = { listen_addresses: options.host, port: String(options.port) };
  const settings = { ...SETTINGS, ...(options.isReplicated ? REPLICATED : {}), ...own };
  return [
    '-D',
    options.dataDirectory,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}
