/** Scanners for tests: the stand-in of one machine, and clamd of Debian's clamav-daemon with one signature, EICAR's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClamdOptions, type ClamdStandIn, startClamd } from '#local/clamd/start-clamd.ts';
import { EICAR } from '#shared/content/scan/eicar.ts';
import type { ClamdAddress } from '#shared/content/scan/scan-variables.ts';
import { waitUntil } from '#testkit/checks/wait-until.ts';

export function startClamdStandIn(options: Partial<ClamdOptions> = {}): Promise<ClamdStandIn> {
  return startClamd({ host: '127.0.0.1', port: 0, ...options });
}

const CLAMD = '/usr/sbin/clamd';

/** Undefined when it is installed. */
export const whyNoClamd = existsSync(CLAMD) ? undefined : 'clamav-daemon is not installed';

export async function startInstalledClamd(
  settings = '',
): Promise<{ readonly address: ClamdAddress; readonly stop: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'clamd-'));
  const path = join(directory, 'clamd.ctl');
  const signature = `Eicar-Test-Signature:0:0:${Buffer.from(EICAR).toString('hex')}\n`;
  await writeFile(join(directory, 'eicar.ndb'), signature);
  // As the guide has them; what is set in their place comes once.
  const limits = ['StreamMaxLength 200M', 'MaxFileSize 200M', 'MaxScanSize 500M', 'AlertExceedsMax yes'];
  const kept = limits.filter((limit) => !settings.includes(limit.split(' ')[0] ?? limit));
  const own = `${kept.join('\n')}\n${settings}`;
  const config = `LocalSocket ${path}\nDatabaseDirectory ${directory}\nForeground yes\nTemporaryDirectory ${directory}\n${own}`;
  await writeFile(join(directory, 'clamd.conf'), config);
  const child = spawn(CLAMD, ['--config-file', join(directory, 'clamd.conf')], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  await waitUntil('clamd listens', () => existsSync(path) || child.exitCode !== null, { timeoutMs: 60_000 });
  if (child.exitCode !== null) throw new Error(`clamd ended with code ${child.exitCode}`);
  return {
    address: { path },
    async stop() {
      child.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
