/** Prometheus metrics of every queue: one set per process, labelled by queue. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface QueueMetrics {
  readonly received: Counter<'queue'>;
  readonly handled: Counter<'queue' | 'disposition'>;
  readonly invalid: Counter<'queue'>;
  readonly waitSeconds: Histogram<'queue'>;
  readonly handleSeconds: Histogram<'queue'>;
  readonly inFlight: Gauge<'queue'>;
  readonly sqsRequests: Counter<'queue' | 'operation'>;
  readonly pollErrors: Counter<'queue'>;
  readonly acknowledgeFailures: Counter<'queue'>;
  readonly leasesLost: Counter<'queue'>;
  /** Of a queue that is received from: shows `ageSeconds()` as `longshore_queue_last_poll_age_seconds` whenever metrics are read. */
  watchLastPoll(queue: string, ageSeconds: () => number): void;
}

/** Call once per registry: prom-client refuses a second metric of the same name. */
export function createQueueMetrics(registry: Registry): QueueMetrics {
  const registers = [registry];
  const queue = ['queue'] as const;
  const lastPolls = new Map<string, () => number>();
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames: queue, registers });
  // What goes wrong with a queue's messages; each begins at 0 with its worker, since a counter that begins at 1 has no increase.
  const faults = {
    invalid: counter('longshore_queue_invalid_total', 'Receives of messages that no schema of the queue accepts.'),
    pollErrors: counter('longshore_queue_poll_errors_total', 'Polls that ended in an error.'),
    acknowledgeFailures: counter(
      'longshore_queue_acknowledge_failures_total',
      'Messages that could not be deleted after all tries; they come again.',
    ),
    leasesLost: counter(
      'longshore_queue_leases_lost_total',
      'Messages whose visibility could not be extended while they were held.',
    ),
  };
  new Gauge({
    name: 'longshore_queue_last_poll_age_seconds',
    help: 'Time since a poller of the queue last asked or was answered.',
    labelNames: queue,
    registers,
    collect() {
      for (const [name, ageSeconds] of lastPolls) this.set({ queue: name }, ageSeconds());
    },
  });
  return {
    ...faults,
    received: new Counter({
      name: 'longshore_queue_received_total',
      help: 'Messages received.',
      labelNames: queue,
      registers,
    }),
    handled: new Counter({
      name: 'longshore_queue_handled_total',
      help: 'Messages done with, by outcome.',
      labelNames: ['queue', 'disposition'] as const,
      registers,
    }),
    waitSeconds: new Histogram({
      name: 'longshore_queue_wait_seconds',
      help: 'From a message’s sending to its first receive, a delay that it was sent with included.',
      labelNames: queue,
      buckets: [0.1, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 120, 300, 900],
      registers,
    }),
    handleSeconds: new Histogram({
      name: 'longshore_queue_handle_seconds',
      help: 'Run time of handlers; a batch counts once.',
      labelNames: queue,
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800],
      registers,
    }),
    inFlight: new Gauge({
      name: 'longshore_queue_in_flight',
      help: 'Messages whose handler runs now.',
      labelNames: queue,
      registers,
    }),
    sqsRequests: new Counter({
      name: 'longshore_sqs_requests_total',
      help: 'Requests sent to SQS, repeats included.',
      labelNames: ['queue', 'operation'] as const,
      registers,
    }),
    watchLastPoll(name, ageSeconds) {
      lastPolls.set(name, ageSeconds);
      for (const fault of Object.values(faults)) fault.inc({ queue: name }, 0);
    },
  };
}
