/** What the retry-sweeper counts, and the state of the fleet as it sees it. Every sweeper shows the same fleet: take the maximum. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { createS3RequestCounter } from '#shared/files/s3-requests.ts';
import { QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';

export function createRetrySweeperMetrics(registry: Registry) {
  const registers = [registry];
  const deadLetters = new Counter({
    name: 'longshore_dead_letters_total',
    help: 'Dead letters taken out of the DLQs, by outcome.',
    labelNames: ['queue', 'state'] as const,
    registers,
  });
  const reconciled = new Counter({
    name: 'longshore_reconciled_objects_total',
    help: 'Objects in landing found without an event, or deleted as archived, by outcome.',
    labelNames: ['outcome'] as const,
    registers,
  });
  // A counter that begins at 1 has no increase.
  for (const queue of QUEUE_IDS) for (const state of ['PARKED', 'REDRIVEN']) deadLetters.inc({ queue, state }, 0);
  for (const outcome of ['uploaded', 'queued', 'quarantined']) reconciled.inc({ outcome }, 0);
  return {
    deadLetters,
    reconciled,
    wakes: new Counter({
      name: 'longshore_sweeper_wakes_total',
      help: 'Wake-ups sent by the clocks.',
      labelNames: ['queue', 'row'] as const,
      registers,
    }),
    missing: new Counter({
      name: 'longshore_sweeper_missing_wakes_total',
      help: 'Wake-ups that a queue’s own count proved lost.',
      labelNames: ['queue'] as const,
      registers,
    }),
    refusedRows: new Counter({
      name: 'longshore_sweeper_refused_rows_total',
      help: 'Rows that a clock could not wake because the database refuses to change them; the log names each.',
      labelNames: ['row'] as const,
      registers,
    }),
    published: new Counter({
      name: 'longshore_outbox_published_total',
      help: 'Events that left the outbox, or that their topic refused for now.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    auditSealed: new Counter({
      name: 'longshore_audit_sealed_lines_total',
      help: 'Lines of the audit that got their seal.',
      registers,
    }),
    auditLagSeconds: new Gauge({
      name: 'longshore_audit_lag_seconds',
      help: 'Age of the oldest line of the audit that has no seal yet; 0 when all have one.',
      registers,
    }),
    evidenceLines: new Counter({
      name: 'longshore_evidence_lines_total',
      help: 'Lines of the audit written to the bucket evidence.',
      registers,
    }),
    evidenceLagSeconds: new Gauge({
      name: 'longshore_evidence_lag_seconds',
      help: 'Age of the oldest sealed line of the audit that is not in the bucket evidence yet; 0 when all are.',
      registers,
    }),
    s3Requests: createS3RequestCounter(registry),
    rows: new Gauge({
      name: 'longshore_open_rows',
      help: 'Open rows by queue: let in, waiting for admission, for their time or for their turn on an ordered route, running; chunks of records likewise, and records that are due. `waiting in all lanes` counts what waits for partner-workers (`partner-steps`) or large-file-workers (`work`), whatever its lane.',
      labelNames: ['queue', 'state'] as const,
      registers,
    }),
    oldestDueSeconds: new Gauge({
      name: 'longshore_oldest_due_seconds',
      help: 'How long the oldest due row of a queue has been waiting for a worker.',
      labelNames: ['queue'] as const,
      registers,
    }),
    queueMessages: new Gauge({
      name: 'longshore_queue_messages',
      help: 'A queue’s own approximate counts.',
      labelNames: ['queue', 'state'] as const,
      registers,
    }),
    outboxRows: new Gauge({ name: 'longshore_outbox_rows', help: 'Events that wait for their topic.', registers }),
    outboxOldestSeconds: new Gauge({
      name: 'longshore_outbox_oldest_seconds',
      help: 'Age of the oldest event that waits for its topic.',
      registers,
    }),
    notices: new Counter({
      name: 'longshore_notices_total',
      help: 'Delivery attempts to a channel, by its kind and the outcome.',
      labelNames: ['channel', 'outcome'] as const,
      registers,
    }),
    openNotices: new Gauge({
      name: 'longshore_open_notices',
      help: 'Notices and digests that wait for their channel, and those that wait for an operator.',
      labelNames: ['state'] as const,
      registers,
    }),
    noticesOldestSeconds: new Gauge({
      name: 'longshore_notices_oldest_due_seconds',
      help: 'For how long the oldest notice has been due.',
      registers,
    }),
    parkedLetters: new Gauge({
      name: 'longshore_parked_dead_letters',
      help: 'Dead letters that wait for an operator.',
      registers,
    }),
    clockSeconds: new Histogram({
      name: 'longshore_clock_seconds',
      help: 'Run time of one tick of a clock.',
      labelNames: ['clock'] as const,
      buckets: [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1, 10],
      registers,
    }),
    clockFailures: new Gauge({
      name: 'longshore_clock_failures',
      help: 'Ticks of a clock that failed in a row, up to now.',
      labelNames: ['clock'] as const,
      registers,
    }),
    actionItems: new Counter({
      name: 'longshore_action_items_total',
      help: 'Jobs, files and dead letters that actions took, by verb.',
      labelNames: ['verb'] as const,
      registers,
    }),
    openActions: new Gauge({
      name: 'longshore_open_actions',
      help: 'Actions that run, are paused, or wait for a second person.',
      labelNames: ['state'] as const,
      registers,
    }),
    effects: new Gauge({
      name: 'longshore_effects',
      help: 'Effects at targets outside that are not done, by kind of step and stage; UNKNOWN ones wait for an operator.',
      labelNames: ['kind', 'stage'] as const,
      registers,
    }),
    expiredFiles: new Counter({
      name: 'longshore_expired_files_total',
      help: 'Files whose time had come, by what was done: deleted, their objects alone, or kept and why.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    expiredObjects: new Counter({
      name: 'longshore_expired_objects_total',
      help: 'Object versions of expired files that the store deleted, or refused to delete for now.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    expiryOverdueSeconds: new Gauge({
      name: 'longshore_expiry_overdue_seconds',
      help: 'For how long the oldest expired file, and the oldest of the objects, has waited to be deleted; not those that a hold keeps.',
      labelNames: ['what'] as const,
      registers,
    }),
    expectations: new Gauge({
      name: 'longshore_expectations',
      help: 'Times at which files are expected now, by what they are: open, at risk, met, late; and those of the last day that were missed.',
      labelNames: ['state'] as const,
      registers,
    }),
    remotesFailing: new Gauge({
      name: 'longshore_remotes_failing',
      help: 'Remotes whose last connection failed.',
      registers,
    }),
    remoteBreakersOpen: new Gauge({
      name: 'longshore_remote_breakers_open',
      help: 'Remotes that refused the credentials: nobody connects for now.',
      registers,
    }),
    remoteConnections: new Gauge({
      name: 'longshore_remote_connections',
      help: 'Connections to remotes that all processes have.',
      registers,
    }),
    partnersHeld: new Gauge({
      name: 'longshore_partners_held',
      help: 'Partners that an operator paused (`pause`), or whose breaker an operator holds open (`breaker`).',
      labelNames: ['by'] as const,
      registers,
    }),
    partnerHeldSeconds: new Gauge({
      name: 'longshore_partner_held_seconds',
      help: 'For how long the partner that is held longest has been, by a pause or by a breaker without an end; 0 when none is.',
      registers,
    }),
    certificateDays: new Gauge({
      name: 'longshore_certificate_days',
      help: 'Days until the certificate of a remote ends, of the one that ends first; not shown without certificates.',
      registers,
    }),
    sourcesOverdue: new Gauge({
      name: 'longshore_sources_overdue',
      help: 'Sources that were not listed for five minutes after they were due, or whose listing failed three times in a row.',
      registers,
    }),
    blockedLines: new Gauge({
      name: 'longshore_blocked_lines',
      help: 'Directories on ordered routes whose files wait behind a failed one.',
      registers,
    }),
    copyStillSeconds: new Gauge({
      name: 'longshore_copy_still_seconds',
      help: 'For how long the stillest open copy in parts has moved no byte, as this sweeper saw it.',
      registers,
    }),
    databaseConnections: new Gauge({
      name: 'longshore_database_connections',
      help: 'Connections to the database server, by program and by what they do.',
      labelNames: ['application', 'state'] as const,
      registers,
    }),
    databaseConnectionsMax: new Gauge({
      name: 'longshore_database_connections_max',
      help: 'Connections that the database server takes at most.',
      registers,
    }),
  };
}

export type RetrySweeperMetrics = ReturnType<typeof createRetrySweeperMetrics>;
