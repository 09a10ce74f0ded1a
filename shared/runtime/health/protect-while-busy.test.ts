import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLogger } from '#shared/runtime/logger.ts';
import type { Service } from '#shared/runtime/run-service.ts';
import { protectWhileBusy } from './protect-while-busy.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
let agent: Server;
let agentUri: string;
let asked: unknown[];
let refusals: number;
let clock: number;
let busy: number;
let running: Service | undefined;

beforeEach(async () => {
  asked = [];
  refusals = 0;
  clock = 0;
  busy = 0;
  agent = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push({ path: request.url, ...JSON.parse(body) });
    const failed = refusals > 0;
    refusals -= 1;
    response.writeHead(failed ? 400 : 200).end(failed ? '{"failure":{}}' : '{"protection":{}}');
  });
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  agentUri = `http://127.0.0.1:${(agent.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await running?.stop();
  agent.closeAllConnections();
  agent.close();
});

const inner: Service = {
  start: async () => {},
  stop: async () => {},
  liveness: () => ({ ok: true, detail: 'alive' }),
  readiness: () => ({ ok: true, detail: 'ready' }),
};

async function start(): Promise<void> {
  running = protectWhileBusy(inner, { agentUri, countBusy: () => busy, logger, intervalMs: 5, now: () => clock });
  await running.start();
}

const on = { path: '/task-protection/v1/state', ProtectionEnabled: true, ExpiresInMinutes: 60 };
const off = { path: '/task-protection/v1/state', ProtectionEnabled: false };

test('is protected while at work, again after half an hour, and no longer when idle', async () => {
  busy = 1;
  await start();
  await vi.waitFor(() => expect(asked).toEqual([on]), { timeout: 60_000 });
  clock = 30 * 60_000;
  await vi.waitFor(() => expect(asked).toEqual([on, on]), { timeout: 60_000 });
  busy = 0;
  await vi.waitFor(() => expect(asked).toEqual([on, on, off]), { timeout: 60_000 });
});

test('asks again when the agent refused', async () => {
  refusals = 1;
  busy = 1;
  await start();
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(1), { timeout: 60_000 });
  expect(asked[1]).toEqual(on);
});

test('is the service itself where no agent is', () => {
  expect(protectWhileBusy(inner, { agentUri: undefined, countBusy: () => 1, logger })).toBe(inner);
});
