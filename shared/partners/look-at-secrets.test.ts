import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { makeCertificate } from '#testkit/servers/make-certificates.ts';
import { lookAtSecrets } from './look-at-secrets.ts';

test('each secret once, with its age, the end of a certificate, and what cannot be read', async () => {
  const { certificate } = await makeCertificate('127.0.0.1', { commonName: 'acme' });
  const texts: Record<string, string> = { 'client-secret': 'hush', key: 'a key', certificate };
  const definition = examplePartner({
    auth: {
      type: 'oauth2-client-credentials',
      tokenUrl: 'https://login.partner.example/token',
      clientId: 'acme',
      clientSecret: 'client-secret',
      refreshToken: 'gone',
    },
    tls: { key: 'key', certificate: 'certificate', authority: 'slow' },
  });
  const seen = await lookAtSecrets(definition, {
    read: async (name) => {
      if (name === 'slow') return await new Promise(() => undefined);
      const text = texts[name];
      if (text === undefined) throw unavailableSecret('It is not there.');
      return { text, version: '1', changedAt: '2026-01-02T03:04:05.000Z' };
    },
  });
  const changedAt = '2026-01-02T03:04:05.000Z';
  expect(seen).toEqual([
    { name: 'client-secret', changedAt, endsAt: null, state: 'ok' },
    { name: 'gone', changedAt: null, endsAt: null, state: 'unavailable' },
    { name: 'key', changedAt, endsAt: null, state: 'ok' },
    { name: 'certificate', changedAt, endsAt: expect.any(String), state: 'ok' },
    { name: 'slow', changedAt: null, endsAt: null, state: 'unknown' },
  ]);
  expect(seen[3]?.endsAt).toBe(new X509Certificate(certificate).validToDate.toISOString());
  expect(await lookAtSecrets(examplePartner(), { read: () => Promise.reject(new Error('none is named')) })).toEqual([]);
});
