/**
 * Addresses of recipients: what is one, and when two are the same.
 *
 * Of RFC 5321 what mail services take: no display name, no quoted local part, ASCII before the "@" (Amazon SES has no SMTPUTF8). A domain of
 * other scripts becomes Punycode. Case tells no two recipients apart; plus tags do.
 */
import { hash } from 'node:crypto';
import { domainToASCII } from 'node:url';
import type { ErrorCode } from '#shared/errors.ts';

export type ReadAddress =
  | { readonly ok: true; readonly address: string }
  | { readonly ok: false; readonly code: ErrorCode; readonly what: string };

const LONGEST_ADDRESS = 254;
const LONGEST_LOCAL = 64;
const LOCAL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;
/** RFC 2606 and RFC 6761, but for `example`, which test data has. */
const RESERVED = /\.(?:invalid|localhost|local|onion|test)$/;

export function readAddress(text: string): ReadAddress {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  if (at < 1 || domain === '' || local.includes('@') || text.length > LONGEST_ADDRESS || local.length > LONGEST_LOCAL)
    return syntax();
  if (/[^\x20-\x7e]/.test(local)) {
    if (/[\p{Cc}\p{Cf}\p{Z}]/u.test(local)) return syntax();
    return { ok: false, code: 'EMAIL_NOT_ASCII', what: 'has a letter before the "@" that mail services do not take' };
  }
  if (!LOCAL.test(local) || /[\s\p{C}]/u.test(domain)) return syntax();
  const ascii = domainToASCII(domain).toLowerCase();
  if (!DOMAIN.test(ascii) || ascii.length > 253 || RESERVED.test(ascii))
    return { ok: false, code: 'EMAIL_DOMAIN', what: 'has a domain that gets no mail' };
  return { ok: true, address: `${local}@${ascii}` };
}

function syntax(): ReadAddress {
  return { ok: false, code: 'EMAIL_SYNTAX', what: 'is not an address such as ada@example.com' };
}

/** By which an address is found without being kept. */
export function addressHash(address: string): string {
  return hash('sha256', address.toLowerCase(), 'hex');
}

/** Of its record: a campaign's rows are told apart by their addresses. */
export function businessKeyOf(address: string): string {
  return JSON.stringify([address.toLowerCase()]);
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}
