/** Every metric that a process registers, found by composing each process as its `main.ts` does, without starting it. */
import Fastify from 'fastify';
import { Registry } from 'prom-client';
import { createBridgeMetrics } from '#local/event-bridge/metrics.ts';
import { createSftpMetrics } from '#local/sftp/metrics.ts';
import { countChatRequests } from '#services/control-api/chat/count-chat-requests.ts';
import { observeStreams } from '#services/control-api/http/event-streams.ts';
import { observeRequests } from '#services/control-api/http/observe-requests.ts';
import { loadIngestorConfig } from '#services/ingestor/config.ts';
import { createIngestor } from '#services/ingestor/service.ts';
import { loadLargeFileWorkerConfig } from '#services/large-file-worker/config.ts';
import { createLargeFileWorker } from '#services/large-file-worker/service.ts';
import { loadPartnerWorkerConfig } from '#services/partner-worker/config.ts';
import { createPartnerWorker } from '#services/partner-worker/service.ts';
import { loadRetrySweeperConfig } from '#services/retry-sweeper/config.ts';
import { createRetrySweeper } from '#services/retry-sweeper/service.ts';
import { loadRouterConfig } from '#services/router/config.ts';
import { createRouter } from '#services/router/service.ts';
import { createLogger } from '#shared/runtime/logger.ts';

export interface RegisteredMetric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
  /** Who shows it. */
  readonly processes: readonly string[];
}

/** Nothing connects before a service is started. */
const ENV = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', AWS_REGION: 'us-east-1' };

/** Ours, by name. */
export async function registeredMetrics(): Promise<RegisteredMetric[]> {
  const logger = createLogger({ service: 'test', level: 'silent' });
  const filled = (fill: (registry: Registry) => unknown): Registry => {
    const registry = new Registry();
    fill(registry);
    return registry;
  };
  const registries: readonly (readonly [process: string, registry: Registry])[] = [
    ['ingestor', filled((registry) => createIngestor({ config: loadIngestorConfig(ENV), logger, registry }))],
    ['router', filled((registry) => createRouter({ config: loadRouterConfig(ENV), logger, registry }))],
    [
      'partner-worker',
      filled((registry) => createPartnerWorker({ config: loadPartnerWorkerConfig(ENV), logger, registry })),
    ],
    [
      'large-file-worker',
      filled((registry) => createLargeFileWorker({ config: loadLargeFileWorkerConfig(ENV), logger, registry })),
    ],
    [
      'retry-sweeper',
      filled((registry) => createRetrySweeper({ config: loadRetrySweeperConfig(ENV), logger, registry })),
    ],
    // Made with its server, which a start makes.
    [
      'control-api',
      filled((registry) => {
        observeRequests(Fastify(), { logger, registry });
        observeStreams(registry, () => 0);
        countChatRequests(registry);
      }),
    ],
    ['SFTP gateway', createSftpMetrics().registry],
    ['event bridge', createBridgeMetrics().registry],
  ];
  const found = registries.flatMap(([process, registry]) =>
    registry
      .getMetricsAsArray()
      .filter(({ name }) => name.startsWith('longshore_'))
      .map((metric) => ({ process, ...described(metric) })),
  );
  const byName = Map.groupBy(found, ({ name }) => name);
  return [...byName.values()]
    .map((same) => ({ ...same[0]!, processes: same.map(({ process }) => process) }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** prom-client's own types name no labels, which each of its metrics has. */
function described(metric: object): Omit<RegisteredMetric, 'processes'> {
  const { name, help, labelNames } = metric as {
    readonly name: string;
    readonly help: string;
    readonly labelNames: readonly string[];
  };
  return { name, help, labels: labelNames, type: metric.constructor.name.toLowerCase() };
}
