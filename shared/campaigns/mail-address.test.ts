import { expect, test } from 'vitest';
import { addressHash, readAddress } from './mail-address.ts';

test.each([
  ['ada@example.com', 'ada@example.com'],
  ['Ada.Lovelace+news@Example.COM', 'Ada.Lovelace+news@example.com'],
  ["o'hara!#$%&*@example.co.uk", "o'hara!#$%&*@example.co.uk"],
  ['grace@bücher.example', 'grace@xn--bcher-kva.example'],
  [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
])('%s is an address', (text, address) => {
  expect(readAddress(text)).toEqual({ ok: true, address });
});

test.each([
  ['', 'EMAIL_SYNTAX'],
  ['nobody', 'EMAIL_SYNTAX'],
  ['@example.com', 'EMAIL_SYNTAX'],
  ['ada@', 'EMAIL_SYNTAX'],
  ['ada@bob@example.com', 'EMAIL_SYNTAX'],
  ['Ada <ada@example.com>', 'EMAIL_SYNTAX'],
  ['"ada b"@example.com', 'EMAIL_SYNTAX'],
  ['.ada@example.com', 'EMAIL_SYNTAX'],
  ['a..b@example.com', 'EMAIL_SYNTAX'],
  ['ada@example.com\r\nBcc: eve@example.com', 'EMAIL_SYNTAX'],
  ['ada\u0000@example.com', 'EMAIL_SYNTAX'],
  ['ada\u202e@example.com', 'EMAIL_SYNTAX'],
  [`${'a'.repeat(65)}@example.com`, 'EMAIL_SYNTAX'],
  [`a@${'b'.repeat(250)}.com`, 'EMAIL_SYNTAX'],
  ['jürgen@example.com', 'EMAIL_NOT_ASCII'],
  ['ada@localhost', 'EMAIL_DOMAIN'],
  ['ada@example.invalid', 'EMAIL_DOMAIN'],
  ['ada@-example.com', 'EMAIL_DOMAIN'],
  ['ada@exa_mple.com', 'EMAIL_DOMAIN'],
  ['ada@example..com', 'EMAIL_DOMAIN'],
])('%j is refused as %s', (text, code) => {
  expect(readAddress(text)).toMatchObject({ ok: false, code });
});

test('case tells no two recipients apart, a plus tag does', () => {
  expect(addressHash('ADA@Example.com')).toBe(addressHash('ada@example.com'));
  expect(addressHash('ada+a@example.com')).not.toBe(addressHash('ada@example.com'));
});
