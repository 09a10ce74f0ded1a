/** The scanner's stand-in as a process, for the examples. */
import { createServer } from 'node:http';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';
import { loadClamdConfig } from './config.ts';
import { startClamd } from './start-clamd.ts';

const STOP_TIMEOUT_MS = 3_000;

const config = loadClamdConfig();
const logger = createLogger({ service: 'clamd', level: config.LOG_LEVEL });
const host = config.LONGSHORE_HTTP_HOST;
const clamd = await startClamd({ host, port: config.LONGSHORE_CLAMD_PORT });
const health = createServer((_request, response) => response.end('ok'));
health.listen(config.LONGSHORE_HTTP_PORT, host);
logger.info({ port: clamd.port }, 'scanner listens');
const signal = await stopSignal();
logger.info({ signal }, 'scanner stops');
health.close();
await stopAll({ parts: [{ name: 'clamd', stop: clamd.stop }], timeoutMs: STOP_TIMEOUT_MS, logger });
process.exit(0);
