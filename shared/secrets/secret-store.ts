/** Where secrets are read from. Their values are handed to whoever calls a partner, and to nobody else. */

export interface Secret {
  /** UTF-8, without a line end at the end. */
  readonly text: string;
  /** Another one after each rotation: what was derived from the secret is made anew then. */
  readonly version: string;
}

export interface SecretStore {
  /**
   * The secret as it is now: a rotation is seen without a restart.
   *
   * @throws LongshoreError `SECRET_UNAVAILABLE`, which names the secret and never shows it.
   */
  read(name: string): Promise<Secret>;
}
