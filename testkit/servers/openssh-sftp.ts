/** OpenSSH's own `sftp` as a partner runs it from a script: `sftp -b`. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Endpoints, TenantAccess } from '#local/launcher/endpoints.ts';

const OPTIONS = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes', 'IdentitiesOnly=yes'];
const TIMEOUT_MS = 300_000;

export function isOpensshInstalled(): boolean {
  return spawnSync('sh', ['-c', 'command -v sftp']).status === 0;
}

/** @throws with what the client printed, when a line of the batch fails. */
export async function runOpensshBatch(
  server: Endpoints['sftp'],
  access: TenantAccess,
  lines: readonly string[],
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  const options = OPTIONS.flatMap((option) => ['-o', option]);
  const place = [
    '-i',
    access.privateKeyFile,
    '-P',
    String(server.port),
    '-b',
    '-',
    `${access.sftpUser}@${server.host}`,
  ];
  const client = spawn('sftp', [...options, ...place], { timeout: timeoutMs });
  const printed: Buffer[] = [];
  client.stdout.on('data', (data) => printed.push(data));
  client.stderr.on('data', (data) => printed.push(data));
  client.stdin.end(`${lines.join('\n')}\n`);
  const [code] = await once(client, 'close');
  if (code !== 0) throw new Error(`sftp ended with ${code}:\n${Buffer.concat(printed)}`);
}

/** A name as a batch line quotes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll(/["\\]/g, '\\$&')}"`;
}
