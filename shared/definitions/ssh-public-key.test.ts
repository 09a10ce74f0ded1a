import { generateKeyPairSync } from 'node:crypto';
import ssh2 from 'ssh2';
import { describe, expect, it } from 'vitest';
import { parseRouteFiles } from './parse-route-files.ts';
import { sshPublicKeySchema } from './ssh-public-key.ts';

const faultOf = (publicKey: string) => {
  const text = `kind: tenant\nid: acme\nname: Acme\nsftpUsers:\n  - username: acme-user\n    publicKey: ${JSON.stringify(publicKey)}\n`;
  const result = parseRouteFiles([{ text }]);
  return result.ok ? undefined : result.faults[0];
};

const ED25519 = ssh2.utils.generateKeyPairSync('ed25519').public;
const P256 = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }).public;

function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
const keyOf = (type: string, ...fields: Buffer[]) =>
  `${type} ${Buffer.concat([Buffer.from(type), ...fields].map(field)).toString('base64')}`;

function rsa(bits: number): string {
  const { n, e } = generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
  const modulus = Buffer.concat([Buffer.alloc(1), Buffer.from(n ?? '', 'base64url')]);
  return keyOf('ssh-rsa', Buffer.from(e ?? '', 'base64url'), modulus);
}

describe('the public key of an SFTP user', () => {
  it.each([
    ['ed25519', `${ED25519} somebody@somewhere`],
    ['ECDSA on P-256', P256],
    ['ECDSA on P-384', ssh2.utils.generateKeyPairSync('ecdsa', { bits: 384 }).public],
    ['ECDSA on P-521', ssh2.utils.generateKeyPairSync('ecdsa', { bits: 521 }).public],
    ['RSA of 2,048 bits', rsa(2_048)],
    ['in a block of YAML, with blanks around it', `  ${ED25519} somebody\n\n`],
  ])('is taken when it is %s', (_what, key) => expect(faultOf(key)).toBeUndefined());

  it('is stored with one blank between its words', () => {
    const [type, base64] = ED25519.split(' ');
    expect(sshPublicKeySchema.parse(`  ${type}\t${base64}  somebody\n\n`)).toBe(`${ED25519} somebody`);
  });

  it.each([
    ['RSA of 1,024 bits', rsa(1_024), /1024 bits/],
    ['RSA of 2,047 bits', keyOf('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.alloc(256, 0x7f)), /2047 bits/],
    ['RSA without a modulus', keyOf('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.alloc(0)), /0 bits/],
    ['DSA', keyOf('ssh-dss', Buffer.alloc(128, 1)), /type ssh-dss/],
    ['of a security key', keyOf('sk-ssh-ed25519@openssh.com', Buffer.alloc(32)), /type sk-ssh-ed25519@openssh.com/],
    ['cut off', ED25519.slice(0, -8), /whole/],
    ['followed by more', keyOf('ssh-ed25519', Buffer.alloc(32, 1), Buffer.alloc(3)), /whole/],
    ['of another type than it says', P256.replace('nistp256', 'nistp384'), /whole/],
    [
      'a point that is not on its curve',
      keyOf('ecdsa-sha2-nistp256', Buffer.from('nistp256'), Buffer.from(`04${'11'.repeat(64)}`, 'hex')),
      /whole/,
    ],
    ['a private key', ssh2.utils.generateKeyPairSync('ed25519').private, /is a private key.*\.pub file/],
    ['a private key of PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none', /is a private key/],
    [
      'in the form of RFC 4716',
      '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----',
      /ssh-keygen -i/,
    ],
    ['a PEM', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', /-m PKCS8/],
    ['not a key', 'garbage', /must be an OpenSSH public key/],
    ['two lines', `${ED25519}\n${P256}`, /several lines.*publicKeys/],
    ['with an option', `restrict ${ED25519}`, /begins with restrict;.*begin with the type/],
    [
      'with options that have blanks',
      `from="10.0.0.0/8,!10.1.1.1",command="a b" ${ED25519}`,
      /begins with from="10\.0\.0\.0\/8,!10\.1\.1\.1",command="a b";/,
    ],
    ['a line of known_hosts', `[sftp.example.com]:2222,10.1.1.1 ${P256}`, /begins with \[sftp\.example\.com\]/],
    ['with a number before it', `1. ${ED25519}`, /begins with 1\.;/],
  ])('is refused at its line when it is %s', (_what, key, message) => {
    expect(faultOf(key)).toMatchObject({ code: 'ROUTE_INVALID', line: 6, path: 'sftpUsers.0.publicKey' });
    expect(faultOf(key)?.message).toMatch(message);
  });
});
