/**
 * The secrets of a home: made at random when first asked for, kept in files that only their owner reads.
 *
 * A file is written whole or not at all, so that a kill in the middle never leaves a key that fits nothing.
 */
import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import type { Home } from '#local/home.ts';
import { makeSshKey } from '#local/sftp/make-ssh-key.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** An ed25519 key pair; the private half in `path`, as OpenSSH's clients want it, the public one in `path.pub`. */
export async function ensureSshKey(path: string, comment: string): Promise<{ publicKey: string }> {
  const privateKey = await ensureSecret(path, () => makeSshKey(comment).private);
  const parsed = ssh2.utils.parseKey(`${privateKey}\n`);
  if (parsed instanceof Error) throw parsed;
  const publicKey = `${parsed.type} ${parsed.getPublicSSH().toString('base64')} ${comment}`;
  await writeFile(`${path}.pub`, `${publicKey}\n`, { mode: 0o600 });
  return { publicKey };
}

export function awsCredentialsFile(home: Home): string {
  return join(home.keys, 'aws-credentials');
}

export function s3CredentialsFile(home: Home): string {
  return join(home.keys, 's3-credentials.json');
}

/** What the S3 server checks signatures with: once as its list, once in the SDK's own file format, for clients. */
export async function ensureAwsCredentials(home: Home): Promise<AwsCredentials> {
  const content = await ensureSecret(awsCredentialsFile(home), () =>
    [
      '[default]',
      `aws_access_key_id = LONGSHORE${randomBytes(8).toString('hex').toUpperCase()}`,
      `aws_secret_access_key = ${makeSecret()}`,
    ].join('\n'),
  );
  const value = (name: string) => new RegExp(`^${name} = (.+)$`, 'm').exec(content)?.[1] ?? '';
  const credentials = { accessKeyId: value('aws_access_key_id'), secretAccessKey: value('aws_secret_access_key') };
  await writeSecret(s3CredentialsFile(home), JSON.stringify([{ ...credentials, name: 'fleet' }]));
  return credentials;
}

export function makeSecret(): string {
  return randomBytes(30).toString('base64url');
}

export async function ensureSecret(path: string, make: () => string): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== undefined) return kept.trim();
  const secret = make().trim();
  await writeSecret(path, secret);
  return secret;
}

export async function writeSecret(path: string, secret: string): Promise<void> {
  await writeFile(`${path}.partial`, `${secret}\n`, { mode: 0o600 });
  await chmod(`${path}.partial`, 0o600);
  await rename(`${path}.partial`, path);
}
