/**
 * A public key in OpenSSH form that can log in: of a type that the gateway and AWS Transfer Family take, whole, and strong enough.
 *
 * The wire format is that of RFC 4253 section 6.6, RFC 5656 section 3.1 and RFC 8709 section 4.
 */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';

const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 16_384;
const CURVES: Readonly<Record<string, { readonly crv: string; readonly bytes: number }>> = {
  nistp256: { crv: 'P-256', bytes: 32 },
  nistp384: { crv: 'P-384', bytes: 48 },
  nistp521: { crv: 'P-521', bytes: 66 },
};
const TYPES = ['ssh-ed25519', ...Object.keys(CURVES).map((curve) => `ecdsa-sha2-${curve}`), 'ssh-rsa'];
const MALFORMED = 'is not a whole OpenSSH public key; copy the line of the .pub file again';

/** Block scalars of YAML and the clipboard add blanks; those who read keys later expect one between two words. */
export const sshPublicKeySchema = z
  .string()
  .overwrite((line) => line.trim().replace(/[ \t]+/g, ' '))
  .max(8_192)
  .superRefine((line, context) => {
    const fault = findKeyFault(line);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });

function findKeyFault(line: string): string | undefined {
  const [, type = '', base64 = ''] = /^([A-Za-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: [^\n\r]*)?$/.exec(line) ?? [];
  const begins = findWrongBeginning(line);
  if (begins !== undefined) return begins;
  if (type === '') return 'must be an OpenSSH public key, such as ssh-ed25519 AAAA...';
  if (!TYPES.includes(type)) return `is of the type ${type}, which cannot log in; use ${TYPES.join(', ')}`;
  const [name, ...fields] = readFields(Buffer.from(base64, 'base64')) ?? [];
  if (name?.toString('latin1') !== type) return MALFORMED;
  if (type === 'ssh-rsa') return findRsaFault(fields);
  if (type === 'ssh-ed25519') return fields.length === 1 && fields[0]?.length === 32 ? undefined : MALFORMED;
  return isOnCurve(type.slice('ecdsa-sha2-'.length), fields) ? undefined : MALFORMED;
}

/** What people paste in place of the line of a .pub file. */
function findWrongBeginning(line: string): string | undefined {
  if (/PRIVATE KEY-----|^PuTTY-User-Key-File/.test(line))
    return 'is a private key, which nobody else should have; use the line of the .pub file, and replace this key';
  if (/^---- ?BEGIN SSH2|^-----BEGIN/.test(line))
    return 'is not in the form of OpenSSH; ssh-keygen -i -f FILE converts it (-m PKCS8 where it begins with BEGIN PUBLIC KEY)';
  if (/[\n\r]/.test(line)) return 'has several lines; give one key each in publicKeys';
  const [, before] = /^(.+?) (?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) AAAA/.exec(line) ?? [];
  if (before === undefined) return undefined;
  return `begins with ${before}; options of authorized_keys, host names and numbers have no effect here, so begin with the type of the key`;
}

function findRsaFault([exponent, modulus, ...rest]: readonly Buffer[]): string | undefined {
  if (exponent === undefined || modulus === undefined || rest.length > 0 || exponent.length === 0) return MALFORMED;
  const hex = modulus.toString('hex').replace(/^0+/, '');
  const bits = hex === '' ? 0 : BigInt(`0x${hex}`).toString(2).length;
  if (bits < MIN_RSA_BITS)
    return `is an RSA key of ${bits} bits, which cannot log in; it takes ${MIN_RSA_BITS} or more`;
  if (bits > MAX_RSA_BITS) return `is an RSA key of ${bits} bits; ${MAX_RSA_BITS} at most are taken`;
  return undefined;
}

function isOnCurve(name: string, [curve, point, ...rest]: readonly Buffer[]): boolean {
  const known = CURVES[name];
  if (known === undefined || curve?.toString('latin1') !== name || point === undefined || rest.length > 0) return false;
  if (point[0] !== 4 || point.length !== 1 + 2 * known.bytes) return false;
  const [x, y] = [point.subarray(1, 1 + known.bytes), point.subarray(1 + known.bytes)];
  try {
    createPublicKey({
      key: { kty: 'EC', crv: known.crv, x: x.toString('base64url'), y: y.toString('base64url') },
      format: 'jwk',
    });
    return true;
  } catch {
    return false;
  }
}

/** Undefined when the lengths do not add up. */
function readFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  for (let offset = 0; offset < blob.length; ) {
    if (offset + 4 > blob.length) return undefined;
    const end = offset + 4 + blob.readUInt32BE(offset);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}
