/** The scaler before real child processes: small services that drain like ours, and loads that the test says. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Home, openHome } from '#local/home.ts';
import { type Children, createChildren } from '#local/launcher/children.ts';
import { startNodeChild } from '#local/launcher/node-child.ts';
import type { QueueLoad } from '#local/launcher/read-fleet-load.ts';
import type { Scale } from '#local/launcher/scale-option.ts';
import { createServiceScaler, type ServiceScaler } from '#local/launcher/scale-services.ts';
import { createServiceInstances, instanceName } from '#local/launcher/service-instances.ts';
import { claimPorts, PORTS_PER_INSTANCE, type PortClaim, type Ports, portsFrom } from '#local/ports.ts';

/** Says that it drains when it is told to end, and ends when it has. */
const SERVICE = `
  const { createServer } = require('node:http');
  process.on('SIGTERM', () => setTimeout(() => { console.log('drained'); process.exit(0); }, 100));
  createServer((request, response) => response.end('ready')).listen(Number(process.env.LONGSHORE_HTTP_PORT), '127.0.0.1');
`;
const HOST = '127.0.0.1';
const IDLE: QueueLoad = { visibleMessages: 0, waitingRows: 0, oldestAgeSeconds: 0 };

let parent: string;
let home: Home;
let children: Children;
let claim: PortClaim;
let ports: Ports;
let scaler: ServiceScaler | undefined;
let load: QueueLoad | 'unknown';

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'longshore-scaling-'));
  await writeFile(join(parent, 'service.cjs'), SERVICE);
  home = await openHome(join(parent, 'home'));
  children = createChildren(home);
  claim = await claimPorts();
  ports = portsFrom(claim.base);
  load = IDLE;
});

afterEach(async () => {
  await scaler?.stop();
  scaler = undefined;
  await children.stop();
  await claim.release();
  home.release();
  await rm(parent, { recursive: true, force: true });
});

function childOf(name: string, port: number) {
  const readyUrl = `http://${HOST}:${port}/`;
  const planned = { main: join(parent, 'service.cjs'), env: { LONGSHORE_HTTP_PORT: String(port) }, readyUrl };
  return {
    name,
    start: ({ guardian, log, signal }: Parameters<Parameters<Children['join']>[0]['start']>[0]) =>
      startNodeChild({ name, ...planned, log, guardian, stopTimeoutMs: 2_000 }, signal),
  };
}

async function startScaled(scale: Scale, cores = 4): Promise<void> {
  await children.startGroup([childOf('partner-worker', ports['partner-worker'])]);
  const instances = createServiceInstances({
    services: ['partner-worker'],
    children,
    host: HOST,
    ports,
    targetsFile: home.prometheusTargetsFile,
    childOf: (service, instance) =>
      childOf(instanceName(service, instance), ports[service] + (instance - 1) * PORTS_PER_INSTANCE),
  });
  scaler = createServiceScaler({
    scale,
    instances,
    cores,
    logger: children.logger,
    readEveryMs: 10,
    shrinkEverySeconds: 0.05,
    readLoad: async () => {
      if (load === 'unknown') throw new Error('nobody answers');
      const known = load;
      return (service) => (service === 'partner-worker' ? known : IDLE);
    },
  });
  await scaler.start();
}

const names = () => [...children.supervised.keys()];
const targets = async () => {
  const listed = JSON.parse(await readFile(home.prometheusTargetsFile, 'utf8')) as {
    readonly targets: readonly string[];
    readonly labels: { readonly job: string };
  }[];
  return listed.filter(({ labels }) => labels.job === 'partner-worker').flatMap((one) => one.targets);
};

test('a number starts so many, each with its port, its log and its place in the file for Prometheus', async () => {
  await startScaled({ 'partner-worker': 3 });
  expect(names()).toEqual(['partner-worker', 'partner-worker-2', 'partner-worker-3']);
  const first = ports['partner-worker'];
  expect(await targets()).toEqual([`${HOST}:${first}`, `${HOST}:${first + 10}`, `${HOST}:${first + 20}`]);
  for (const target of await targets()) expect(await (await fetch(`http://${target}/`)).text()).toBe('ready');
  await readFile(join(home.logs, 'partner-worker-3.log'));
});

test('grows with what waits, up to as many further ones as there are cores, and drains them when nothing does', async () => {
  await startScaled({ 'partner-worker': 'auto' }, 2);
  load = { ...IDLE, visibleMessages: 2_000, waitingRows: 100_000 };
  await vi.waitFor(() => expect(names()).toHaveLength(3), { timeout: 60_000 });
  load = IDLE;
  await vi.waitFor(() => expect(names()).toEqual(['partner-worker']), { timeout: 60_000 });
  await vi.waitFor(async () => expect(await targets()).toHaveLength(1), { timeout: 60_000 });
  for (const instance of [2, 3]) {
    const log = join(home.logs, `partner-worker-${instance}.log`);
    await vi.waitFor(async () => expect(await readFile(log, 'utf8')).toMatch(/drained.*ended: code 0/s), {
      timeout: 60_000,
    });
  }
});

test('a load that cannot be read changes nothing', async () => {
  await startScaled({ 'partner-worker': 'auto' });
  load = { ...IDLE, visibleMessages: 1_500 };
  await vi.waitFor(() => expect(names()).toHaveLength(2), { timeout: 60_000 });
  load = 'unknown';
  const log = join(home.logs, 'launcher.log');
  await vi.waitFor(
    async () => expect((await readFile(log, 'utf8')).split('clock tick failed').length).toBeGreaterThan(3),
    {
      timeout: 60_000,
    },
  );
  expect(names()).toHaveLength(2);
});

test('an instance that dies is started again, and stopping ends all of them', async () => {
  await startScaled({ 'partner-worker': 2 });
  const second = children.supervised.get('partner-worker-2');
  const pid = second?.pid;
  second?.kill('SIGKILL');
  await vi.waitFor(() => expect(second?.restarts).toBe(1), { timeout: 60_000 });
  await vi.waitFor(() => expect(second?.pid).toSatisfy((now) => now !== undefined && now !== pid), { timeout: 60_000 });
  const reached = await targets();
  await scaler?.stop();
  await children.stop();
  for (const target of reached) await expect(fetch(`http://${target}/`)).rejects.toThrow();
});
