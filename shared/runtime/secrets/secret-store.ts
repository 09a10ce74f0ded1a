/** Where secrets are read from. Their values are handed to whoever calls a partner, and to nobody else. */
import { LongshoreError } from '#shared/errors.ts';
import { OWN_SECRET_FOLDERS } from '#shared/runtime/config/secret-names.ts';

export interface Secret {
  /** UTF-8, without a line end at the end. */
  readonly text: string;
  /** Another one after each rotation: what was derived from the secret is made again then. */
  readonly version: string;
  /** Since when the store has this version, ISO 8601; undefined where it does not say so. */
  readonly changedAt?: string | undefined;
}

export interface SecretStore {
  /**
   * The secret as it is now: a rotation is seen without a restart.
   *
   * @throws SecretError `SECRET_UNAVAILABLE`, which names the secret and never shows it.
   */
  read(name: string): Promise<Secret>;
}

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9/_.-]{0,254}[A-Za-z0-9])?$/;

/** No part of a name leads anywhere else: `..`, hidden files and ARNs are none. */
export function isSecretName(name: string): boolean {
  return NAME.test(name) && name.split('/').every((part) => part !== '' && !part.startsWith('.'));
}

/** `isPassing`: the store did not answer, which may pass on its own; otherwise a person has to put the secret right. */
export class SecretError extends LongshoreError {
  readonly isPassing: boolean;

  constructor(message: string, { isPassing }: { readonly isPassing: boolean }) {
    super('SECRET_UNAVAILABLE', message);
    this.isPassing = isPassing;
  }
}

export function unavailableSecret(message: string): SecretError {
  return new SecretError(message, { isPassing: false });
}

/** What a tenant's definitions name is under the tenant's own name: no tenant can have another's secret sent to itself. */
export function secretsOfTenant(store: SecretStore, tenantId: string): SecretStore {
  return {
    read: async (name) => {
      if (!isSecretName(name)) throw unavailableSecret('A secret has a name that cannot be one.');
      if (OWN_SECRET_FOLDERS.includes(tenantId))
        throw unavailableSecret(`The tenant ${tenantId} has no secrets: the fleet's own are under that name.`);
      return await store.read(`${tenantId}/${name}`);
    },
  };
}
