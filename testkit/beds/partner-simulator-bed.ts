/** A partner simulator with its own ledger, for one test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type PartnerSimulatorOptions,
  startPartnerSimulator,
} from '#local/partner-simulator/start-partner-simulator.ts';

export const CLIENT = {
  id: 'longshore',
  secret: 'a-secret-of-the-simulated-partner',
  scopes: ['rfi.validate', 'rfi.assignments', 'rfi.coupons'],
};
export const ISSUER = 'urn:longshore:simulated-partner';
export const AUDIENCE = 'rfi-apis';

export async function startTestPartner(options: Partial<PartnerSimulatorOptions> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-partner-'));
  const simulator = await startPartnerSimulator({
    host: '127.0.0.1',
    port: 0,
    ledgerFile: join(directory, 'ledger.ndjson'),
    chatFile: join(directory, 'chat.ndjson'),
    issuer: ISSUER,
    audience: AUDIENCE,
    clients: [CLIENT],
    tokenLifetimeS: 300,
    ...options,
  });
  return {
    simulator,
    directory,
    async stop() {
      await simulator.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
