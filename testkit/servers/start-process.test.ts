import { expect, test } from 'vitest';
import { startProcess } from './start-process.ts';

test('a process that ends before its line fails the wait, with how it ended and what it printed', async () => {
  const child = startProcess(['--eval', 'console.error("no port"); process.exit(3)']);
  await expect(child.untilLine(/ready/)).rejects.toThrow(/It ended \(code 3\)[\s\S]*no port/);
  await expect(startProcess([], { command: '/nowhere/at-all' }).untilLine(/ready/)).rejects.toThrow('ENOENT');
});

test('a line printed before the wait is found, and a killed process has ended however often one asks', async () => {
  const child = startProcess(['--eval', 'console.log("port 12"); console.log("ready"); setInterval(() => {}, 1000)']);
  await child.untilLine(/^ready$/);
  expect((await child.untilLine(/^port (\d+)/))[1]).toBe('12');
  child.kill('SIGKILL');
  expect(await child.ended).toEqual({ code: null, signal: 'SIGKILL' });
  expect(await Promise.all([child.end('SIGKILL'), child.end('SIGTERM')])).toEqual([
    { code: null, signal: 'SIGKILL' },
    { code: null, signal: 'SIGKILL' },
  ]);
  expect(child.hasEnded()).toBe(true);
});
