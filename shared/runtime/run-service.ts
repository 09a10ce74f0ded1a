/**
 * Runs one service as a process: what every `services/<name>/main.ts` calls.
 *
 * 1. A faulty configuration is one clear message on standard error and exit code 1, before anything is connected.
 * 2. Health and metrics answer from the first moment; `/readyz` says 503 until the service has started, and while it stops.
 * 3. SIGTERM or SIGINT stops the service within its drain time, also while it is starting; a second signal ends the process at once.
 * 4. A rejection that nobody handled means an unknown state: it is logged and the process ends, for its supervisor to start again.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { LongshoreError } from '#shared/errors.ts';
import { type Health, type OperationsServer, startOperationsServer } from '#shared/runtime/health/operations-server.ts';
import { createLogger, type Logger } from './logger.ts';
import { type Stoppable, stopAll } from './shutdown.ts';

export interface Service {
  /** Resolves once the service does its work. May throw when a dependency is not there in time. */
  start(): Promise<void>;
  /** Bounded by the configured drain time, idempotent, also called after a `start` that failed. */
  stop(): Promise<void>;
  /** False: the process is beyond recovery and is to be killed. */
  liveness(): Health;
  /** False: a dependency is down. */
  readiness(): Health | Promise<Health>;
}

/** What this file reads of a service's configuration; `fleetVariables` has all of it. */
export interface ProcessConfig {
  readonly LONGSHORE_HTTP_HOST: string;
  readonly LONGSHORE_HTTP_PORT: number;
  readonly LONGSHORE_DRAIN_MS: number;
  readonly LOG_LEVEL: string;
}

export interface ServiceContext<Config> {
  readonly config: Config;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface RunServiceOptions<Config extends ProcessConfig> {
  /** E.g. `ingestor`: the `service` of every log line. */
  readonly name: string;
  readonly loadConfig: () => Config;
  readonly create: (context: ServiceContext<Config>) => Service | Promise<Service>;
}

/** Beyond the drain time, for connections to close. */
const CLOSE_MS = 2_000;

/** Never returns to its caller with the process still needed: it ends the process itself. */
export async function runService<Config extends ProcessConfig>(options: RunServiceOptions<Config>): Promise<void> {
  const config = loadOrExit(options.loadConfig);
  const logger = createLogger({ service: options.name, level: config.LOG_LEVEL });
  exitOnUnhandled(logger);
  const stopRequested = requestOfStop(logger);

  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const running = new RunningService(options, { config, logger, registry });
  const started = running.start().then(
    () => 'started' as const,
    (error: unknown) => {
      logger.fatal({ err: error }, 'service did not start');
      return 'failed' as const;
    },
  );
  const first = await Promise.race([started, stopRequested]);
  if (first === 'started') await stopRequested;
  const isClean = await running.stop();
  logger.info({ isClean }, 'service stopped');
  process.exit(first !== 'failed' && isClean ? 0 : 1);
}

class RunningService<Config extends ProcessConfig> {
  readonly #options: RunServiceOptions<Config>;
  readonly #context: ServiceContext<Config>;
  #service: Service | undefined;
  #operations: OperationsServer | undefined;
  #phase: 'starting' | 'running' | 'stopping' = 'starting';

  constructor(options: RunServiceOptions<Config>, context: ServiceContext<Config>) {
    this.#options = options;
    this.#context = context;
  }

  async start(): Promise<void> {
    const { config, logger, registry } = this.#context;
    this.#operations = await startOperationsServer({
      host: config.LONGSHORE_HTTP_HOST,
      port: config.LONGSHORE_HTTP_PORT,
      registry,
      liveness: () => (this.#phase === 'running' ? this.#service!.liveness() : { ok: true, detail: this.#phase }),
      readiness: () => (this.#phase === 'running' ? this.#service!.readiness() : { ok: false, detail: this.#phase }),
    });
    this.#service = await this.#options.create(this.#context);
    if (this.#isStopping()) return;
    await this.#service.start();
    if (this.#isStopping()) return;
    this.#phase = 'running';
    logger.info({ port: this.#operations.port, config: withoutSecrets(config) }, 'service started');
  }

  #isStopping(): boolean {
    return this.#phase === 'stopping';
  }

  /** Resolves to whether everything stopped within its bound. */
  stop(): Promise<boolean> {
    this.#phase = 'stopping';
    const { config, logger } = this.#context;
    const parts: Stoppable[] = [];
    if (this.#operations !== undefined) parts.push({ name: 'operations server', stop: this.#operations.stop });
    const service = this.#service;
    if (service !== undefined) parts.push({ name: this.#options.name, stop: () => service.stop() });
    return stopAll({ parts, timeoutMs: config.LONGSHORE_DRAIN_MS + CLOSE_MS, logger });
  }
}

function loadOrExit<Config>(load: () => Config): Config {
  try {
    return load();
  } catch (error) {
    const text = error instanceof LongshoreError ? `${error.message}\n${error.hint}` : String(error);
    process.stderr.write(`${text}\n`);
    process.exit(1);
  }
}

function exitOnUnhandled(logger: Logger): void {
  for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error, event }, 'unhandled error, the process ends');
      process.exit(1);
    });
  }
}

function requestOfStop(logger: Logger): Promise<'stop'> {
  const { promise, resolve } = Promise.withResolvers<'stop'>();
  let isRequested = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isRequested) {
        logger.warn({ signal }, 'second signal, the process ends at once');
        process.exit(1);
      }
      isRequested = true;
      logger.info({ signal }, 'service stops');
      resolve('stop');
    });
  }
  return promise;
}

/** The resolved configuration for the log; credentials in it are left out by name, and out of URLs. */
function withoutSecrets(config: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).map(([name, value]) => {
      if (/SECRET|TOKEN|PASSWORD|_KEY$/.test(name)) return [name, '[redacted]'];
      return [name, typeof value === 'string' ? value.replace(/\/\/[^/@]*@/, '//[redacted]@') : value];
    }),
  );
}
