/** For tests: certificates by an authority of the test's own, made by `openssl`. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

export interface Certificate {
  readonly key: string;
  readonly certificate: string;
}

export interface Authority {
  /** PEM, of the authority itself. */
  readonly certificate: string;
  /** In a file, as processes are told of it (`NODE_EXTRA_CA_CERTS`). */
  readonly file: string;
  /** For these names, e.g. `DNS:localhost`; one that ended yesterday when told so. */
  issue(names: string, options?: { readonly isExpired?: boolean }): Certificate;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Its files stand in `directory`, which the caller removes. */
export function makeAuthority(directory: string, name: string): Authority {
  const file = (suffix: string) => join(directory, `${name}-${suffix}`);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const [key, certificate] = [file('ca.key'), file('ca.pem')];
  openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate);
  let issued = 0;
  return {
    certificate: readFileSync(certificate, 'utf8'),
    file: certificate,
    issue(names, { isExpired = false } = {}) {
      issued += 1;
      const [own, request, extensions, made] = ['key', 'csr', 'ext', 'pem'].map((suffix) =>
        file(`${issued}.${suffix}`),
      );
      if (own === undefined || request === undefined || extensions === undefined || made === undefined)
        throw new Error('four were named');
      writeFileSync(extensions, `subjectAltName=${names}\n`);
      openssl('req', ...NEW_KEY, '-subj', '/CN=server', '-keyout', own, '-out', request);
      const days = isExpired ? '-1' : '1';
      const by = ['-CA', certificate, '-CAkey', key, '-CAcreateserial', '-days', days, '-extfile', extensions];
      openssl('x509', '-req', '-in', request, ...by, '-out', made);
      return { key: readFileSync(own, 'utf8'), certificate: readFileSync(made, 'utf8') };
    },
  };
}
