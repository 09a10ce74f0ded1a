import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openHome } from '#local/home.ts';
import { type Children, createChildren } from '#local/launcher/children.ts';
import { waitForLeftovers } from '#local/launcher/children-file.ts';
import { startNodeChild } from '#local/launcher/node-child.ts';
import { claimPorts, portsFrom } from '#local/ports.ts';
import { startProcess } from '#testkit/servers/start-process.ts';

/** A service as the launcher sees one; its variable says how it takes the end. */
const SERVICE = `
  const { createServer } = require('node:http');
  const { FAKE_MANNERS, LONGSHORE_HTTP_PORT } = process.env;
  if (FAKE_MANNERS === 'crash') throw new Error('a part is missing');
  if (FAKE_MANNERS === 'refuses') {
    console.log('{"msg":"starting"}');
    console.error('The configuration is invalid:\\n  ONE: is missing\\n  TWO: is missing\\nCorrect them.');
    process.exit(1);
  }
  console.log(JSON.stringify({ msg: 'started', names: Object.keys(process.env) }));
  console.error('a warning that is not JSON');
  process.on('SIGTERM', () => {
    if (FAKE_MANNERS === 'deaf') return;
    console.log('goodbye');
    process.exit(0);
  });
  createServer((request, response) => {
    if (FAKE_MANNERS === 'waits') return response.writeHead(503).end('{"database":"down"}');
    response.end('ready', () => { if (FAKE_MANNERS === 'hangs') setTimeout(() => { for (;;); }, 100); });
  }).listen(Number(LONGSHORE_HTTP_PORT), '127.0.0.1');
`;

let parent: string;
let main: string;
let children: Children | undefined;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'longshore-children-'));
  main = join(parent, 'service.cjs');
  await writeFile(main, SERVICE);
});

afterEach(async () => {
  await children?.stop();
  children = undefined;
  await rm(parent, { recursive: true, force: true });
});

/** One that has ended and was not yet collected by the system's first process is not alive. */
function isAlive(pid: number): boolean {
  const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
  return state !== '' && !state.startsWith('Z');
}

async function startGroup(
  group: Children,
  members: Record<string, string>,
  { stopTimeoutMs = 500, startTimeoutMs = 60_000 } = {},
): Promise<void> {
  const ports = Object.values(portsFrom((await claimPorts()).base));
  await group.startGroup(
    Object.entries(members).map(([name, manners], index) => ({
      name,
      start: ({ guardian, log, signal }) => {
        const env = { FAKE_MANNERS: manners, LONGSHORE_HTTP_PORT: String(ports[index]) };
        const readyUrl = `http://127.0.0.1:${ports[index]}/readyz`;
        return startNodeChild({ name, main, env, readyUrl, log, guardian, stopTimeoutMs, startTimeoutMs }, signal);
      },
    })),
  );
}

describe('a child', () => {
  test('that is killed is started again, counted, and its log holds both lives as JSON lines', async () => {
    const home = await openHome(join(parent, 'home'));
    children = createChildren(home);
    await startGroup(children, { router: 'good' });
    const router = children.supervised.get('router')!;
    const before = router.pid!;
    process.kill(before, 'SIGKILL');
    await vi.waitFor(() => expect(router.restarts).toBe(1), { timeout: 60_000 });
    await vi.waitFor(() => expect(router.pid).toBeTypeOf('number'), { timeout: 60_000 });
    expect(router.pid).not.toBe(before);
    const lines = (await readFile(join(home.logs, 'router.log'), 'utf8')).trimEnd().split('\n');
    const parsed = lines.map((line) => JSON.parse(line) as { msg: string; names?: string[] });
    expect(parsed.filter(({ msg }) => msg === 'started')).toHaveLength(2);
    expect(parsed.map(({ msg }) => msg)).toContain('router ended: SIGKILL');
    expect(parsed[0]?.names?.toSorted()).toEqual(['FAKE_MANNERS', 'LONGSHORE_HTTP_PORT']);
    home.release();
  });

  test('that cannot start is named with its last words, and the others are stopped', async () => {
    const home = await openHome(join(parent, 'home'));
    children = createChildren(home);
    await expect(startGroup(children, { good: 'good', bad: 'crash' })).rejects.toMatchObject({
      code: 'CHILD_NOT_READY',
      message: expect.stringMatching(
        /^bad ended before it was ready\. Last output, in .*bad\.log: Error: a part is missing$/,
      ),
    });
    const pid = children.supervised.get('good')!.pid!;
    await children.stop();
    expect(isAlive(pid)).toBe(false);
    home.release();
  });

  test('that refuses its configuration is named with all that it said of it', async () => {
    const home = await openHome(join(parent, 'home'));
    children = createChildren(home);
    await expect(startGroup(children, { strict: 'refuses' })).rejects.toMatchObject({
      message: expect.stringMatching(
        /strict\.log: The configuration is invalid:\n {2}ONE: is missing\n {2}TWO: is missing\nCorrect them\.$/,
      ),
    });
    home.release();
  });

  test('that does not become ready is named with its health check and what it said before it was stopped', async () => {
    const home = await openHome(join(parent, 'home'));
    children = createChildren(home);
    // Until it was up in time to say something: how long that takes is the machine's affair.
    for (const seconds of [2, 10, 40]) {
      const failure = startGroup(children, { slow: 'waits' }, { startTimeoutMs: seconds * 1_000 });
      const error = await failure.catch((reason: Error) => reason);
      if (seconds < 40 && !(error instanceof Error && error.message.includes('a warning'))) continue;
      expect(error).toMatchObject({
        code: 'CHILD_NOT_READY',
        message: expect.stringMatching(
          new RegExp(
            String.raw`^slow was not ready after ${seconds} s\. Its health check answered 503 \{"database":"down"\}\. ` +
              String.raw`Last output, in .*slow\.log: a warning that is not JSON$`,
          ),
        ),
      });
      break;
    }
    home.release();
  });

  test('that does not heed SIGTERM is killed after its bound', async () => {
    const home = await openHome(join(parent, 'home'));
    children = createChildren(home);
    await startGroup(children, { deaf: 'deaf' }, { stopTimeoutMs: 200 });
    const pid = children.supervised.get('deaf')!.pid!;
    await children.stop();
    expect(isAlive(pid)).toBe(false);
    const log = await readFile(join(home.logs, 'deaf.log'), 'utf8');
    expect(log).toMatch(/did not stop within 200 ms and is killed/);
    expect(JSON.parse(await readFile(home.childrenFile, 'utf8'))).toEqual([]);
    home.release();
  });
});

describe('after kill -9 of the launcher', () => {
  const launcher = `
    import { openHome } from '${new URL('../home.ts', import.meta.url).href}';
    import { createChildren } from '${new URL('children.ts', import.meta.url).href}';
    import { startNodeChild } from '${new URL('node-child.ts', import.meta.url).href}';
    import { claimPorts, portsFrom } from '${new URL('../ports.ts', import.meta.url).href}';
    const [homeDirectory, main] = process.argv.slice(1);
    const home = await openHome(homeDirectory);
    const children = createChildren(home);
    const ports = Object.values(portsFrom((await claimPorts()).base));
    await children.startGroup(['good', 'deaf', 'hangs'].map((name, index) => ({
      name,
      start: ({ guardian, log, signal }) => {
        const env = { FAKE_MANNERS: name, LONGSHORE_HTTP_PORT: String(ports[index]) };
        const readyUrl = 'http://127.0.0.1:' + ports[index] + '/readyz';
        return startNodeChild({ name, main, env, readyUrl, log, guardian, stopTimeoutMs: 500 }, signal);
      },
    })));
    console.log(JSON.stringify([...children.supervised.values()].map((child) => child.pid)));
    setInterval(() => {}, 1000);
  `;

  async function startLauncher(home: string): Promise<{ kill(): void; pids: number[] }> {
    const child = startProcess(['--input-type=module', '-e', launcher, home, main]);
    const [line] = await child.untilLine(/^\[.*\]$/);
    return { kill: () => void child.kill('SIGKILL'), pids: JSON.parse(line) as number[] };
  }

  test('no child lives for more than 5 seconds, not even a deaf or a hanging one, and the home is free', async () => {
    const directory = join(parent, 'home');
    const { kill, pids } = await startLauncher(directory);
    expect(pids.filter(isAlive)).toHaveLength(3);
    kill();
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 60_000, interval: 50 });
    const home = await openHome(directory);
    home.release();
  });

  test('the next instance waits until the children of the killed one are gone', async () => {
    const directory = join(parent, 'home');
    const { kill, pids } = await startLauncher(directory);
    kill();
    const home = await vi.waitFor(() => openHome(directory), { timeout: 60_000, interval: 10 });
    await waitForLeftovers(home.childrenFile);
    expect(pids.filter(isAlive)).toEqual([]);
    home.release();
  });
});

test('a guardian that was killed is replaced and still knows the children', async () => {
  const program = `
    import { spawn, spawnSync } from 'node:child_process';
    import { startGuardian } from '${new URL('guardian.ts', import.meta.url).href}';
    const sleeper = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
    const guardian = startGuardian();
    guardian.guard(sleeper.pid, 'TERM');
    console.log(sleeper.pid);
    setInterval(() => {}, 1000);
  `;
  const starter = startProcess(['--input-type=module', '-e', program]);
  const sleeper = Number((await starter.untilLine(/^\d+$/))[0]);
  const first = await findGuardian(starter.pid);
  process.kill(first, 'SIGKILL');
  await vi.waitFor(async () => expect(await findGuardian(starter.pid)).not.toBe(first), { timeout: 60_000 });
  starter.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(sleeper)).toBe(false), { timeout: 60_000, interval: 50 });
});

async function findGuardian(parentPid: number): Promise<number> {
  const listing = spawn('ps', ['-A', '-o', 'pid=,ppid=,args='], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: listing.stdout })) {
    const [pid, ppid, ...args] = line.trim().split(/\s+/);
    if (Number(ppid) === parentPid && args.join(' ').includes('longshore-guardian')) return Number(pid);
  }
  throw new Error('there is no guardian');
}
