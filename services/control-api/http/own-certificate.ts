/**
 * For TLS between a load balancer and this process: a key that nothing else ever has, made at the start and kept in memory.
 *
 * The certificate is signed on its own. Load balancers of AWS do not check those of their targets: the network says who the target is, and
 * TLS keeps others from reading. What people and programs see is the load balancer's certificate.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROGRAM = fileURLToPath(new URL('make-certificate-process.ts', import.meta.url));
const MAKE_TIMEOUT_MS = 30_000;

export interface OwnCertificate {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
}

export async function makeOwnCertificate(): Promise<OwnCertificate> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM], { timeout: MAKE_TIMEOUT_MS });
  return JSON.parse(stdout) as OwnCertificate;
}
