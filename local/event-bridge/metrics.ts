/** The event bridge's metrics. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export function createBridgeMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    events: new Counter({
      name: 'longshore_event_bridge_events_total',
      help: 'Events that the queue accepted.',
      labelNames: ['detail_type'],
      registers,
    }),
    failures: new Counter({
      name: 'longshore_event_bridge_send_failures_total',
      help: 'Events that a send left in the journal.',
      labelNames: ['source'],
      registers,
    }),
    oldestSeconds: new Gauge({
      name: 'longshore_event_bridge_oldest_waiting_seconds',
      help: 'Age of the oldest event that a send left in the journal.',
      labelNames: ['source'],
      registers,
    }),
  };
}

export type BridgeMetrics = ReturnType<typeof createBridgeMetrics>;
