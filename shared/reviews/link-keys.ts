/**
 * The keys of review and unsubscribe links, read from one secret. A link in a mail is used years later, so a new key must not end the links of
 * the old one.
 *
 * 1. The secret is one key, or `{"current": "...", "previous": ["..."]}`: links are signed with `current` and valid with each.
 * 2. Text of any other form is one key, as it is. Nothing else that a secret may contain, such as a line of it, ever becomes a key.
 * 3. An object with a `current` that breaks this form is refused: an empty or short key would let anyone sign links.
 */
import { z } from 'zod';
import { type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { parseJson } from '#shared/text/parse-json.ts';

export interface LinkKeys {
  readonly current: string;
  /** The current one first. */
  readonly all: readonly [string, ...string[]];
}

const SHORTEST_KEY = 16;
const MOST_PREVIOUS = 10;

const keySchema = z.string().min(SHORTEST_KEY);
const keysSchema = z.strictObject({ current: keySchema, previous: z.array(keySchema).max(MOST_PREVIOUS).default([]) });

/** @throws SecretError `SECRET_UNAVAILABLE`. */
export async function readLinkKeys(secrets: SecretStore, name: string): Promise<LinkKeys> {
  const { text } = await secrets.read(name);
  const value = text.trimStart().startsWith('{') ? parseJson(text) : undefined;
  if (typeof value !== 'object' || value === null || !('current' in value)) return { current: text, all: [text] };
  const parsed = keysSchema.safeParse(value);
  if (!parsed.success)
    throw unavailableSecret(
      `The secret ${name} must be {"current": KEY, "previous": [KEY, ...]}: each key has at least ${SHORTEST_KEY} characters, and at most ${MOST_PREVIOUS} are previous.`,
    );
  const { current, previous } = parsed.data;
  return { current, all: [current, ...previous] };
}
