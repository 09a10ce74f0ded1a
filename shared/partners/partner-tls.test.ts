import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { createPartnerCaller } from './call-partner.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

let directory: string;
const closers: (() => unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'longshore-tls-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A key and a certificate that signs itself. */
function makeCertificate(name: string): { key: string; certificate: string } {
  const [key, certificate] = [join(directory, `${name}.key`), join(directory, `${name}.pem`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
  return { key, certificate };
}

test.skipIf(!hasOpenssl)(
  'mutual TLS shows the certificate of the secret store, a rotated one at once, and believes the named authority alone',
  async () => {
    const [server, first, second] = ['partner', 'first', 'second'].map(makeCertificate);
    if (server === undefined || first === undefined || second === undefined) throw new Error('three were made');
    const seen: (string | string[] | undefined)[] = [];
    const listener = createServer(
      {
        key: readFileSync(server.key),
        cert: readFileSync(server.certificate),
        ca: [first, second].map(({ certificate }) => readFileSync(certificate)),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (request, response) => {
        request.resume();
        seen.push((request.socket as TLSSocket).getPeerCertificate().subject.CN);
        response.end('{"status":"VALID"}');
      },
    );
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    closers.push(
      () => listener.close(),
      () => listener.closeAllConnections(),
    );

    const use = async ({ key, certificate }: { key: string; certificate: string }) => {
      copyFileSync(key, join(directory, 'client-key'));
      copyFileSync(certificate, join(directory, 'client-certificate'));
      for (const name of ['client-key', 'client-certificate', 'partner.pem']) await chmod(join(directory, name), 0o600);
    };
    const open = (tls: object) => {
      const caller = createPartnerCaller({
        definition: examplePartner({ baseUrl: `https://127.0.0.1:${(listener.address() as AddressInfo).port}`, tls }),
        secrets: createFileSecretStore(directory),
        addressGuard: createAddressGuard({ allow: ['127.0.0.1'] }),
      });
      closers.push(caller.close);
      const values = { record: { key: 'r1', amount: 1, name: 'a' }, replies: {}, meta: {} };
      return () => caller.call({ operation: 'validate', values, requestId: 'q' });
    };
    await use(first);
    const certificate = { key: 'client-key', certificate: 'client-certificate' };
    const call = open({ ...certificate, authority: 'partner.pem' });
    expect(await call()).toMatchObject({ type: 'success' });
    await use(second);
    expect(await call()).toMatchObject({ type: 'success' });
    expect(seen).toEqual(['first', 'second']);

    expect(await open(certificate)()).toMatchObject({ type: 'retryable', cause: 'PARTNER_UNTRUSTED' });
    expect((await open({ authority: 'partner.pem' })()).type).toBe('retryable');
    expect(seen).toHaveLength(2);
  },
);
