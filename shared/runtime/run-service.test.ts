import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { withCompileCache } from '#testkit/servers/start-process.ts';

const root = new URL('../../', import.meta.url).pathname;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

interface Program {
  readonly exit: Promise<number | null>;
  lines(): Record<string, unknown>[];
  errorText(): string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the operations port once the service says that it started. */
  port(): Promise<number>;
}

/** Its own service process, made of these method bodies. */
function runProgram(
  body: { start?: string; stop?: string; liveness?: string; readiness?: string },
  env: Record<string, string> = {},
): Program {
  const source = `
    import { z } from 'zod';
    import { integerVariable, loadConfig } from '#shared/runtime/config/load-config.ts';
    import { runService } from '#shared/runtime/run-service.ts';
    const schema = z.object({
      LONGSHORE_HTTP_HOST: z.string().default('127.0.0.1'),
      LONGSHORE_HTTP_PORT: integerVariable({ min: 0, max: 65535 }).default(0),
      LONGSHORE_DRAIN_MS: integerVariable({ min: 1, max: 9999 }).default(500),
      LOG_LEVEL: z.string().default('info'),
      DATABASE_URL: z.url(),
      EXTRA: z.string(),
    });
    await runService({
      name: 'program',
      loadConfig: () => loadConfig(schema, process.env),
      create: () => ({
        async start() { ${body.start ?? ''} },
        async stop() { ${body.stop ?? ''} },
        liveness() { ${body.liveness ?? `return { ok: true, detail: 'alive' };`} },
        async readiness() { ${body.readiness ?? `return { ok: true, detail: 'ready' };`} },
      }),
    });`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
    cwd: root,
    env: withCompileCache({ DATABASE_URL: 'postgres://me:hunter2@db:5432/x', EXTRA: 'seen', ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += String(chunk);
  });
  const lines = () =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    exit: once(child, 'close').then(([code]) => code as number | null),
    lines,
    errorText: () => errors,
    kill: (signal) => void child.kill(signal),
    port: () =>
      vi.waitFor(
        () => {
          const line = lines().find(({ msg }) => msg === 'service started');
          if (line === undefined) throw new Error(`not started: ${output} ${errors}`);
          return line.port as number;
        },
        { timeout: 60_000, interval: 20 },
      ),
  };
}

test('answers health, readiness and metrics, and logs its configuration without credentials', async () => {
  const program = runProgram({ readiness: `return { ok: false, detail: 'the queue is away' };` });
  const origin = `http://127.0.0.1:${await program.port()}`;
  const [health, ready, metrics, other] = await Promise.all(
    ['/healthz', '/readyz', '/metrics', '/x'].map((path) => fetch(origin + path)),
  );
  expect([health?.status, await health?.text()]).toEqual([200, 'alive\n']);
  expect([ready?.status, await ready?.text()]).toEqual([503, 'the queue is away\n']);
  expect(await metrics?.text()).toContain('process_cpu_seconds_total');
  expect(other?.status).toBe(404);
  const logged = JSON.stringify(program.lines());
  expect(logged).toContain('seen');
  expect(logged).not.toContain('hunter2');
  program.kill('SIGTERM');
  expect(await program.exit).toBe(0);
});

test('lists every fault of the configuration and exits with 1', async () => {
  const program = runProgram({}, { DATABASE_URL: 'nonsense', LONGSHORE_HTTP_PORT: '70000' });
  expect(await program.exit).toBe(1);
  expect(program.errorText()).toMatch(/LONGSHORE_HTTP_PORT[\s\S]*DATABASE_URL/);
  expect(program.errorText()).not.toContain('    at ');
});

test('leaves a stop that hangs behind after the drain time, and says so with its exit code', async () => {
  const program = runProgram({ stop: 'await new Promise(() => setInterval(() => {}, 1000));' });
  await program.port();
  program.kill('SIGTERM');
  expect(await program.exit).toBe(1);
  expect(program.lines().map(({ msg }) => msg)).toContain('part did not stop in time');
});

test('ends at once at the second signal', async () => {
  const program = runProgram(
    { stop: 'await new Promise(() => setInterval(() => {}, 1000));' },
    { LONGSHORE_DRAIN_MS: '9000' },
  );
  await program.port();
  program.kill('SIGTERM');
  await vi.waitFor(() => expect(program.lines().map(({ msg }) => msg)).toContain('service stops'), { timeout: 60_000 });
  program.kill('SIGINT');
  expect(await program.exit).toBe(1);
  expect(program.lines().map(({ msg }) => msg)).toContain('second signal, the process ends at once');
});

test('stops while it is still starting', async () => {
  const program = runProgram({
    start: `console.log('{"msg":"begun"}'); await new Promise(() => setInterval(() => {}, 1000));`,
  });
  await vi.waitFor(() => expect(program.lines().map(({ msg }) => msg)).toContain('begun'), { timeout: 60_000 });
  program.kill('SIGTERM');
  expect(await program.exit).toBe(0);
});

test('exits with 1 when the start fails, and when a rejection is handled by nobody', async () => {
  const failing = runProgram({ start: `throw new Error('no database');` });
  const rejecting = runProgram({ start: `setTimeout(() => void Promise.reject(new Error('lost')), 50);` });
  expect(await Promise.all([failing.exit, rejecting.exit])).toEqual([1, 1]);
  expect(failing.lines().map(({ msg }) => msg)).toContain('service did not start');
  expect(rejecting.lines().map(({ msg }) => msg)).toContain('unhandled error, the process ends');
});
