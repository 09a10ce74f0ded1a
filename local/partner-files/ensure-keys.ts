/** Keys and passwords of the partner's servers, made once per home. What a fleet must know of them goes into the tenant's secrets. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { ensureSecret, makeSecret } from '#local/launcher/keys.ts';

export interface PartnerFilesKeys {
  readonly tls: { readonly key: string; readonly certificate: string };
  readonly sftpPassword: string;
  readonly ftpsPassword: string;
}

const YEARS_MS = 10 * 365 * 86_400_000;

/** `secrets`: of the tenant. Changes nothing that is there already. */
export async function ensurePartnerFilesKeys(keys: string, secrets: string, host: string): Promise<PartnerFilesKeys> {
  for (const directory of [keys, secrets]) await mkdir(directory, { recursive: true, mode: 0o700 });
  const [keyFile, certificateFile] = [join(keys, 'tls.key'), join(keys, 'tls.crt')];
  if (!existsSync(certificateFile)) {
    const notAfterDate = new Date(Date.now() + YEARS_MS);
    const ca = await generate([{ name: 'commonName', value: 'Partner files CA' }], {
      ...{ keyType: 'ec', algorithm: 'sha256', notAfterDate },
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, critical: true },
      ],
    });
    const { private: key, cert } = await generate([{ name: 'commonName', value: host }], {
      ...{ keyType: 'ec', algorithm: 'sha256', notAfterDate, ca: { key: ca.private, cert: ca.cert } },
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: host }] }],
    });
    await writeFile(join(secrets, 'fsa-ca'), ca.cert, { mode: 0o600 });
    await writeFile(keyFile, key, { mode: 0o600 });
    // Last: with it all of them are there.
    await writeFile(certificateFile, cert, { mode: 0o600 });
  }
  await ensureSecret(join(secrets, 'fsa-old-password'), makeSecret);
  return {
    tls: { key: await readFile(keyFile, 'utf8'), certificate: await readFile(certificateFile, 'utf8') },
    ftpsPassword: await ensureSecret(join(secrets, 'fsa-ftps-password'), makeSecret),
    sftpPassword: await ensureSecret(join(secrets, 'fsa-sftp-password'), makeSecret),
  };
}
