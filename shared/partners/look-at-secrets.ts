/** How old the secrets of a partner are, and when its certificates end. Nothing of what is in them leaves here. */
import { X509Certificate } from 'node:crypto';
import type { PartnerDocument } from '#shared/definitions/partner-schema.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { within } from '#shared/runtime/within.ts';

export interface SeenSecret {
  readonly name: string;
  /** Null: the store does not say so, or it could not be read. */
  readonly changedAt: string | null;
  /** Of a certificate, also of an authority. */
  readonly endsAt: string | null;
  /** `unknown`: the store did not answer in time. */
  readonly state: 'ok' | 'unavailable' | 'unknown';
}

/** Those who look at the numbers of a partner do not wait for a store that is slow. */
const LOOK_MS = 1_000;

/** `secrets`: the tenant's. */
export async function lookAtSecrets(definition: PartnerDocument, secrets: SecretStore): Promise<SeenSecret[]> {
  return await Promise.all(secretNamesIn(definition).map((name) => lookAt(name, secrets)));
}

function secretNamesIn({ auth, tls = {} }: PartnerDocument): string[] {
  const names = [
    ...(auth.type === 'static' || auth.type === 'hmac' ? [auth.secret] : []),
    ...(auth.type === 'oauth2-client-credentials' ? [auth.clientSecret, auth.refreshToken] : []),
    ...[tls.key, tls.certificate, tls.authority],
  ];
  return [...new Set(names.filter((name) => name !== undefined))];
}

async function lookAt(name: string, secrets: SecretStore): Promise<SeenSecret> {
  const none = { name, changedAt: null, endsAt: null };
  const reading = secrets.read(name).then(
    ({ text, changedAt = null }): SeenSecret => ({ name, changedAt, endsAt: endOf(text), state: 'ok' }),
    (): SeenSecret => ({ ...none, state: 'unavailable' }),
  );
  return await within(reading, LOOK_MS, (): SeenSecret => ({ ...none, state: 'unknown' }));
}

/** Of the first of several. */
function endOf(text: string): string | null {
  if (!text.includes('-----BEGIN CERTIFICATE-----')) return null;
  try {
    return new X509Certificate(text).validToDate.toISOString();
  } catch {
    return null;
  }
}
