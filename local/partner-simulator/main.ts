/** The partner simulator's process. */
import { join } from 'node:path';
import { createLogger } from '#shared/runtime/logger.ts';
import { stopAll, stopSignal } from '#shared/runtime/shutdown.ts';
import { loadPartnerSimulatorConfig, readIdentityClients } from './config.ts';
import { startPartnerSimulator } from './start-partner-simulator.ts';

const STOP_TIMEOUT_MS = 3_000;

const config = loadPartnerSimulatorConfig();
const logger = createLogger({ service: 'partner-simulator', level: config.LOG_LEVEL });
const simulator = await startPartnerSimulator({
  host: config.LONGSHORE_HTTP_HOST,
  port: config.LONGSHORE_HTTP_PORT,
  ledgerFile: join(config.LONGSHORE_SIMULATOR_DIRECTORY, 'ledger.ndjson'),
  chatFile: join(config.LONGSHORE_SIMULATOR_DIRECTORY, 'chat.ndjson'),
  issuer: config.LONGSHORE_SIMULATOR_ISSUER,
  audience: config.LONGSHORE_SIMULATOR_AUDIENCE,
  clients: readIdentityClients(config.LONGSHORE_SIMULATOR_CLIENTS_FILE),
  tokenLifetimeS: config.LONGSHORE_SIMULATOR_TOKEN_LIFETIME_S,
  seed: config.LONGSHORE_SIMULATOR_SEED,
  ...(config.LONGSHORE_SIMULATOR_BEHAVIOUR !== undefined && { behaviour: config.LONGSHORE_SIMULATOR_BEHAVIOUR }),
});
logger.info({ url: simulator.url }, 'partner simulator listens');
const signal = await stopSignal();
logger.info({ signal }, 'partner simulator stops');
await stopAll({ parts: [{ name: 'partner simulator', stop: simulator.stop }], timeoutMs: STOP_TIMEOUT_MS, logger });
process.exit(0);
