/** The command as a process: from any directory, on any Node, into a pipe. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION } from '#shared/runtime/version.ts';
import { withCompileCache } from '#testkit/servers/start-process.ts';

const COMMAND = fileURLToPath(new URL('longshore.cjs', import.meta.url));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-command-'));
  // As npm links it.
  await symlink(COMMAND, join(directory, 'longshore'));
  await writeFile(
    join(directory, 'older.cjs'),
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.0' } });",
  );
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function run(args: readonly string[], nodeOptions: readonly string[] = []) {
  const child = spawn(process.execPath, [...nodeOptions, join(directory, 'longshore'), ...args], {
    cwd: directory,
    env: withCompileCache({ PATH: process.env.PATH, INIT_CWD: '/' }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { out, err, code };
}

test('runs from any directory, by a link', async () => {
  expect(await run(['--version'])).toEqual({ out: `${VERSION}\n`, err: '', code: 0 });
});

test('continues with the Node that Longshore brings where the one that called is older, and ends with its exit code', async () => {
  const older = ['--require', join(directory, 'older.cjs')];
  expect(await run(['--version'], older)).toEqual({ out: `${VERSION}\n`, err: '', code: 0 });
  expect(await run(['nothing'], older)).toMatchObject({ code: 2, err: expect.stringMatching(/unknown command/) });
});

test('looks for an instance here and in the checkout, and takes paths from here', async () => {
  const { code, err } = await run(['tenants', '--api', 'http://127.0.0.1:1', '--key-file', 'my.key']);
  expect([code, err]).toEqual([2, expect.stringContaining(`${directory}/my.key cannot be read`)]);
});

test.each(['bash', 'zsh', 'fish'])('writes a completion script for %s', async (shell) => {
  const { out, code } = await run(['completion', shell]);
  expect(code).toBe(0);
  expect(out).toContain('longshore complete --');
});

test.each<[string[], string]>([
  [['sta'], 'status'],
  [['dead-letters', 'di'], 'discard'],
  [['files', '--st'], '--status'],
  [['retry', '--rec'], '--records'],
])('completes %j to %s', async (typed, expected) => {
  const { out, code } = await run(['complete', '--', ...typed]);
  expect(code).toBe(0);
  expect(out.split('\n').map((line) => line.split('\t')[0])).toContain(expected);
});
