/** Certificates by an authority of the test's own, or signed on their own. */
import { isIP } from 'node:net';
import { generate } from 'selfsigned';

export interface Certificate {
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

export interface Authority {
  /** PEM, of the authority itself. */
  readonly certificate: string;
  /** For this name; one that ended yesterday when asked for. */
  issue(name: string, options?: { readonly isExpired?: boolean }): Promise<Certificate>;
}

const DAY_MS = 86_400_000;

export async function makeAuthority(name: string): Promise<Authority> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  return {
    certificate: made.cert,
    issue: (host, { isExpired = false } = {}) =>
      makeCertificate(host, {
        ca: { key: made.private, cert: made.cert },
        endsAt: new Date(Date.now() + (isExpired ? -DAY_MS : DAY_MS)),
      }),
  };
}

/** For a host, which is its common name too; signed on its own without `ca`. */
export async function makeCertificate(
  host: string,
  options: {
    readonly ca?: { readonly key: string; readonly cert: string };
    readonly endsAt?: Date;
    readonly commonName?: string;
  } = {},
): Promise<Certificate> {
  const { ca, endsAt = new Date(Date.now() + DAY_MS), commonName = host } = options;
  const isAddress = isIP(host) !== 0;
  const { private: key, cert: certificate } = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(endsAt.getTime() - 3 * DAY_MS),
    notAfterDate: endsAt,
    extensions: [{ name: 'subjectAltName', altNames: [isAddress ? { type: 7, ip: host } : { type: 2, value: host }] }],
    ...(ca && { ca }),
  });
  return { key, certificate };
}
