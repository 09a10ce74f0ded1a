import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHome } from '#local/home.ts';
import { startProcess } from '#testkit/servers/start-process.ts';

let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'longshore-home-'));
  directory = join(parent, 'home');
});

afterEach(() => rm(parent, { recursive: true, force: true }));

const openElsewhere = `
  import { openHome } from '${new URL('home.ts', import.meta.url).href}';
  await openHome(process.argv[1]);
  console.log('open');
  setInterval(() => {}, 1000);
`;

test('a home in use is refused in one sentence that names the process, until it is released', async () => {
  const home = await openHome(directory);
  await expect(openHome(directory)).rejects.toMatchObject({
    code: 'HOME_IN_USE',
    message: `The home ${directory} is in use by a running instance (process ${process.pid}): stop that one, or choose another directory with LONGSHORE_HOME.`,
  });
  home.release();
  const again = await openHome(directory);
  again.release();
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
});

test('a home whose process was killed is free at once', async () => {
  const holder = startProcess(['--input-type=module', '-e', openElsewhere, directory]);
  await holder.untilLine(/^open$/);
  await expect(openHome(directory)).rejects.toMatchObject({ code: 'HOME_IN_USE' });
  await holder.end('SIGKILL');
  const home = await openHome(directory);
  home.release();
});
