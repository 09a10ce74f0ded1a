/**
 * Starts the traces of one service, when an endpoint is set.
 *
 * 1. OpenTelemetry is loaded here and only then: a service that does not trace has none of it in memory.
 */
import type { Logger } from '#shared/runtime/logger.ts';
import { NO_TRACING, type Tracing } from './tracing.ts';
import { type TracingConfig, tracesUrl } from './tracing-variables.ts';

export interface StartTracingOptions {
  readonly config: TracingConfig;
  /** E.g. `router`. */
  readonly service: string;
  readonly logger: Logger;
}

export async function startTracing({ config, service, logger }: StartTracingOptions): Promise<Tracing> {
  const url = tracesUrl(config);
  if (url === undefined) return NO_TRACING;
  const { startOpenTelemetry } = await import('./open-telemetry.ts');
  return startOpenTelemetry({ config, url, service, logger });
}
