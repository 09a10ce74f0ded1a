import { expect, test } from 'vitest';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { readLinkKeys } from './link-keys.ts';

const NEW_KEY = 'the new key of all links';
const OLD_KEY = 'the old key of all links';

function storeOf(text: string): SecretStore {
  return { read: async () => ({ text, version: '1' }) };
}

test('a key alone signs and verifies', async () => {
  expect(await readLinkKeys(storeOf(OLD_KEY), 'links')).toEqual({ current: OLD_KEY, all: [OLD_KEY] });
});

test('the current key signs, and the previous ones verify as well', async () => {
  const text = JSON.stringify({ current: NEW_KEY, previous: [OLD_KEY] });
  expect(await readLinkKeys(storeOf(text), 'links')).toEqual({ current: NEW_KEY, all: [NEW_KEY, OLD_KEY] });
  const alone = JSON.stringify({ current: NEW_KEY });
  expect(await readLinkKeys(storeOf(alone), 'links')).toEqual({ current: NEW_KEY, all: [NEW_KEY] });
});

test.each([
  ['several lines', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----'],
  ['an object of other keys', '{"password":"made by the console of a cloud"}'],
  ['what is not JSON', '{current: "no quotes around the name"}'],
  ['a list', '["the new key of all links","the old key of all links"]'],
  ['a number', '12345678901234567890'],
])('%s is one key, as it is: no part of it is a key', async (_what, text) => {
  expect(await readLinkKeys(storeOf(text), 'links')).toEqual({ current: text, all: [text] });
});

test.each([
  ['an empty current key', { current: '', previous: [OLD_KEY] }],
  ['a short previous key', { current: NEW_KEY, previous: ['x'] }],
  ['a current key that is not text', { current: null }],
  ['previous keys that are not a list', { current: NEW_KEY, previous: OLD_KEY }],
  ['another name', { current: NEW_KEY, prevoius: [OLD_KEY] }],
  ['more previous keys than are kept', { current: NEW_KEY, previous: Array(11).fill(OLD_KEY) }],
])('%s is refused, without showing a key', async (_what, value) => {
  const refused = await readLinkKeys(storeOf(JSON.stringify(value)), 'links').catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'SECRET_UNAVAILABLE', message: expect.stringContaining('links') });
  expect(String(refused)).not.toContain(OLD_KEY);
});
