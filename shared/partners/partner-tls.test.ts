import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { createFileSecretStore } from '#shared/runtime/secrets/file-secret-store.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { type Certificate, makeCertificate } from '#testkit/servers/make-certificates.ts';
import { createPartnerCaller } from './call-partner.ts';

let directory: string;
const closers: (() => unknown)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'longshore-tls-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test('mutual TLS shows the certificate of the secret store, a rotated one at once, and believes the named authority alone', async () => {
  const [server, first, second] = await Promise.all([
    makeCertificate('127.0.0.1', { commonName: 'partner' }),
    makeCertificate('127.0.0.1', { commonName: 'first' }),
    makeCertificate('127.0.0.1', { commonName: 'second' }),
  ]);
  const seen: (string | string[] | undefined)[] = [];
  const listener = createServer(
    {
      key: server.key,
      cert: server.certificate,
      ca: [first, second].map(({ certificate }) => certificate),
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

  const use = async ({ key, certificate }: Certificate) => {
    const texts = { 'client-key': key, 'client-certificate': certificate, 'partner.pem': server.certificate };
    for (const [name, text] of Object.entries(texts)) await writeFile(join(directory, name), text, { mode: 0o600 });
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
});
