/** The body of encrypted messages, against the library as the peer: for any content in any pieces, and for every way to break a message. */
import { randomBytes } from 'node:crypto';
import { deflateRawSync, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { createMessage, decrypt, encrypt, enums, generateKey, type PrivateKey, readMessage } from 'openpgp';
import { beforeAll, describe, expect, test } from 'vitest';
import { ByteReader } from './byte-reader.ts';
import { readEncryptedMessage } from './encrypted-body.ts';
import { openPgpMessage } from './open-message.ts';
import { readHeader } from './packet-lengths.ts';
import { sealPgpMessage } from './seal-message.ts';

let ours: PrivateKey;
let other: PrivateKey;

beforeAll(async () => {
  const make = async (name: string) =>
    (await generateKey({ userIDs: [{ name, email: `${name}@example.com` }], format: 'object' })).privateKey;
  [ours, other] = await Promise.all([make('ours'), make('other')]);
});

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}

const open = (message: Uint8Array, size = 65_536, maxBytes = Number.MAX_SAFE_INTEGER) =>
  collect(
    openPgpMessage(inPieces(message, size), {
      ...{ decryptionKeys: [ours], verificationKeys: [], isSignatureRequired: false, maxBytes },
    }),
  );

const seal = (content: Uint8Array, { size = 65_536, isSigned = false } = {}) =>
  collect(
    sealPgpMessage(inPieces(content, size), {
      encryptionKeys: [ours.toPublic()],
      signingKeys: isSigned ? [other] : [],
      isArmored: false,
    }),
  );

async function sealedByLibrary(content: Uint8Array, more: object = {}): Promise<Uint8Array> {
  const message = await createMessage({ binary: content });
  return (await encrypt({ message, encryptionKeys: ours.toPublic(), format: 'binary', ...more })) as Uint8Array;
}

function armored(message: Uint8Array, headers = '', lineEnd = '\n'): Buffer {
  const lines =
    Buffer.from(message)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const all = ['-----BEGIN PGP MESSAGE-----', `${headers}`, ...lines, '-----END PGP MESSAGE-----', ''];
  return Buffer.from(all.join(lineEnd));
}

const isUsual = async (message: Uint8Array) =>
  (await readEncryptedMessage(new ByteReader(inPieces(message, 1_000)))) !== undefined;

const causeOf = (broken: Promise<unknown>): Promise<string> =>
  broken.then(
    () => 'opened',
    (error: { readonly code?: string }) => String(error.code),
  );

test('what either makes of any content, the other opens, in pieces of any size', async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(65_500, 65_514, 65_536, 131_072, 400_000).map((size) => randomBytes(size)),
  );
  await fc.assert(
    fc.asyncProperty(content, fc.integer({ min: 1, max: 100_000 }), fc.boolean(), async (bytes, size, isSigned) => {
      const pieceBytes = bytes.length > 1_000 ? Math.max(size, 500) : size;
      const sealed = await seal(bytes, { size: pieceBytes, isSigned });
      expect(await isUsual(sealed)).toBe(true);
      const message = await readMessage({ binaryMessage: sealed });
      const config = { allowUnauthenticatedStream: false };
      const { data } = await decrypt({ message, decryptionKeys: ours, format: 'binary', config });
      expect(Buffer.compare(Buffer.from(data as Uint8Array), bytes)).toBe(0);
      for (const each of [sealed, await sealedByLibrary(bytes)])
        expect(Buffer.compare(await open(each, pieceBytes), bytes)).toBe(0);
    }),
    { numRuns: 25 },
  );
});

describe('a message', () => {
  test('with any byte changed opens with other content never', async () => {
    const sealed = await seal(Buffer.from('id,amount\n1,10.00\n'.repeat(10)));
    const opened: number[] = [];
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x20, at);
      const cause = await causeOf(open(changed));
      if (cause === 'opened') opened.push(at);
      else expect(cause).toMatch(/^PGP_/);
    }
    // Bits of the session key's packet that say to whom it is may change without harm.
    expect(opened.every((at) => at < 16)).toBe(true);
  });

  test('cut off anywhere is not whole', async () => {
    const sealed = await seal(Buffer.from('id,amount\n1,10.00\n'.repeat(10)));
    for (let length = 1; length < sealed.length; length += 1)
      expect(await causeOf(open(sealed.subarray(0, length)))).toMatch(/^PGP_(TRUNCATED|ALTERED|SYNTAX|KEY_UNKNOWN)$/);
  });

  test.each([
    ['more bytes after it', (sealed: Buffer) => Buffer.concat([sealed, Buffer.from('more')]), 'PGP_SYNTAX'],
    ['itself after it', (sealed: Buffer) => Buffer.concat([sealed, sealed]), 'PGP_SYNTAX'],
    ['no modification detection', (sealed: Buffer) => sealed.subarray(0, -22), 'PGP_TRUNCATED'],
  ])('with %s is refused', async (_what, broken, cause) => {
    expect(await causeOf(open(broken(await seal(Buffer.from('x'.repeat(1_000))))))).toBe(cause);
  });

  test('that says it has a gigabyte more than there is takes no memory for it', async () => {
    const sealed = await seal(randomBytes(1_000));
    const message = await readEncryptedMessage(new ByteReader(inPieces(sealed, 1_000)));
    const headBytes = (message?.sessionKeys.length ?? 0) - 3;
    const claims = Buffer.concat([sealed.subarray(0, headBytes), Buffer.from([0xd2, 0xfe, 1]), randomBytes(500)]);
    const before = process.memoryUsage().arrayBuffers;
    expect(await causeOf(open(claims))).toBe('PGP_TRUNCATED');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 ** 2);
  });

  test('in a message in a message is not opened twice', async () => {
    const inner = await seal(Buffer.from('x'));
    expect(await open(await seal(inner))).toEqual(inner);
    const nested = await causeOf(open(await wrapped(inner)));
    expect(nested).toMatch(/^PGP_/);
  });

  test('with more in front of its body than a sender puts there is refused before a key is tried', async () => {
    const sealed = Buffer.from(await sealedByLibrary(Buffer.from('x'), { wildcard: true }));
    const header = await readHeader(new ByteReader(inPieces(sealed, 1_000)));
    const sessionKey = sealed.subarray(0, (header?.raw.length ?? 0) + (header?.length.bytes ?? 0));
    const marker = Buffer.from([0xca, 3, 0x50, 0x47, 0x50]);
    const unknown = Buffer.from([0xc0 | 60, 1, 0]);
    const partial = Buffer.concat([Buffer.from([0xc1, 0xe9]), Buffer.alloc(512), Buffer.from([0])]);
    for (const front of [[marker], [unknown], []]) {
      const many = (count: number) => Buffer.concat([...front, ...Array<Buffer>(count).fill(sessionKey), sealed]);
      expect((await open(many(10))).toString()).toBe('x');
      expect(await causeOf(open(many(20)))).toBe('PGP_SYNTAX');
      expect(await causeOf(open(armored(many(20))))).toBe('PGP_SYNTAX');
    }
    for (const front of [partial, Buffer.alloc(300_000, marker)])
      expect(await causeOf(open(Buffer.concat([front, sealed])))).toBe('PGP_SYNTAX');
  });

  test('to a hundred receivers of which one is this one is opened', async () => {
    const one = Buffer.from(await sealedByLibrary(Buffer.from('x')));
    const header = await readHeader(new ByteReader(inPieces(one, 1_000)));
    const headerBytes = header?.raw.length ?? 0;
    const others = Array.from({ length: 100 }, (_, at) => {
      const sessionKey = Buffer.from(one.subarray(0, headerBytes + (header?.length.bytes ?? 0)));
      // Behind its version, the key that it is for.
      sessionKey.writeUInt32BE(at, headerBytes + 1);
      return sessionKey;
    });
    expect((await open(Buffer.concat([...others, one]))).toString()).toBe('x');
  });

  test.each([
    [5, 'opened'],
    [14 * 60, 'opened'],
    [60 * 60, 'PGP_KEY_EXPIRED'],
  ])('signed by a sender whose clock is %i s ahead: %s', async (seconds, cause) => {
    const date = new Date(Date.now() + seconds * 1_000);
    const sealed = await sealedByLibrary(Buffer.from('x'), { signingKeys: other, date });
    const opened = collect(
      openPgpMessage(inPieces(sealed, 100), {
        ...{ decryptionKeys: [ours], verificationKeys: [other.toPublic()], isSignatureRequired: true, maxBytes: 1_000 },
      }),
    );
    expect(await causeOf(opened)).toBe(cause);
  });

  test('in armor is what it is in binary, in pieces of any size, with and without headers and checksum', async () => {
    for (const size of [0, 1, 2, 3, 100, 200_000]) {
      const content = randomBytes(size);
      const sealed = Buffer.from(await sealedByLibrary(content));
      const byLibrary = Buffer.from((await sealedByLibrary(content, { format: 'armored' })) as unknown as string);
      for (const text of [armored(sealed), armored(sealed, 'Version: 1\r\nComment: \r\n', '\r\n'), byLibrary])
        for (const piece of size > 1_000 ? [999, 65_536] : [1, 7, 65_536])
          expect(Buffer.compare(await open(text, piece), content)).toBe(0);
    }
  });

  test.each([
    ['text without its end', (text: string) => text.slice(0, -40), 'PGP_TRUNCATED'],
    ['other text after it', (text: string) => `${text}more`, 'PGP_SYNTAX'],
    ['letters that are none of base64', (text: string) => text.replace('\n\n', '\n\n%'), 'PGP_SYNTAX'],
    ['a signed text', () => `-----BEGIN PGP SIGNED MESSAGE-----\n\n${'x'.repeat(1_000)}`, 'PGP_SYNTAX'],
    ['a line of a head without end', () => `-----BEGIN PGP MESSAGE-----\nA: ${'x'.repeat(1_000_000)}`, 'PGP_SYNTAX'],
    ['headers without end', () => `-----BEGIN PGP MESSAGE-----\n${'A: b\n'.repeat(10_000)}`, 'PGP_SYNTAX'],
    ['equal signs without end', (text: string) => text.replace('\n\n', `\n\n${'='.repeat(1_000)}`), 'PGP_SYNTAX'],
  ])('in armor with %s is refused', async (_what, broken, cause) => {
    const text = armored(await seal(randomBytes(1_000))).toString();
    expect(await causeOf(open(Buffer.from(broken(text)), 1_000))).toBe(cause);
  });

  test('with no session keys, or cut off in one, is the library’s', async () => {
    expect(await isUsual(Buffer.from([0xd2, 2, 1, 0]))).toBe(false);
    expect(await isUsual(Buffer.from([0x85, 0xff, 0xff, 0xff, 0xff]))).toBe(false);
    expect(await causeOf(open(Buffer.from([0x87, 1, 2, 3])))).toMatch(/^PGP_/);
  });

  test('with authenticated encryption is opened by the library', async () => {
    const config = { aeadProtect: true };
    const { privateKey } = await generateKey({
      ...{ userIDs: [{ name: 'new', email: 'new@example.com' }], format: 'object', config },
    });
    const message = await createMessage({ binary: Buffer.from('x') });
    const to = { encryptionKeys: privateKey.toPublic(), config };
    const sealed = (await encrypt({ message, ...to, format: 'binary' })) as Uint8Array;
    expect(await isUsual(sealed)).toBe(false);
    const made = openPgpMessage(inPieces(sealed, 7), {
      ...{ decryptionKeys: [privateKey], verificationKeys: [], isSignatureRequired: false, maxBytes: 1_000 },
    });
    expect((await collect(made)).toString()).toBe('x');
  });
});

describe('content that is not signed', () => {
  const TIME = [0, 0, 0, 0];
  const literal = (name: string, content: string) => {
    const body = Buffer.concat([
      Buffer.from([0x62, name.length]),
      Buffer.from(name),
      Buffer.from(TIME),
      Buffer.from(content),
    ]);
    return Buffer.concat([Buffer.from([0xcb, body.length]), body]);
  };

  test.each([
    ['with a name', literal('orders.csv', 'content'), 'content'],
    ['in an old packet', Buffer.from([0xae, 0, 0, 0, 8, 0x62, 0, ...TIME, 0x61, 0x62]), 'ab'],
    ['of no bytes', literal('', ''), ''],
    [
      'in parts',
      Buffer.concat([
        Buffer.from([0xcb, 0xe9, 0x62, 0, ...TIME]),
        Buffer.alloc(506, 'a'),
        Buffer.from([2, 0x62, 0x63]),
      ]),
      `${'a'.repeat(506)}bc`,
    ],
  ])('%s is opened as the library opens it', async (_how, packets, content) => {
    const sealed = await wrapped(packets);
    expect((await open(sealed)).toString()).toBe(content);
    expect((await open(sealed, 3)).toString()).toBe(content);
    const { data } = await decrypt({
      ...{ message: await readMessage({ binaryMessage: sealed }), decryptionKeys: ours, format: 'binary' },
    });
    expect(Buffer.from(data as Uint8Array).toString()).toBe(content);
  });

  test.each([
    ['a name that is longer than its packet', Buffer.from([0xcb, 6, 0x62, 9, ...TIME]), 'PGP_SYNTAX'],
    ['a packet that is longer than the message', Buffer.from([0xcb, 200, 0x62, 0, ...TIME, 0x61]), 'PGP_TRUNCATED'],
    ['a packet that ends in its header', Buffer.from([0xcb]), 'PGP_'],
    ['another packet after it', Buffer.concat([literal('', 'a'), literal('', 'b')]), 'PGP_SYNTAX'],
    ['bytes after it', Buffer.concat([literal('', 'a'), Buffer.from('more')]), 'PGP_SYNTAX'],
  ])('with %s is refused; where it was altered, as that', async (_what, packets, cause) => {
    const sealed = await wrapped(packets);
    expect(await causeOf(open(sealed))).toMatch(new RegExp(`^${cause}`));
    sealed.writeUInt8(sealed.readUInt8(sealed.length - 1) ^ 1, sealed.length - 1);
    expect(await causeOf(open(sealed))).toBe('PGP_ALTERED');
  });

  test('has the limit of bytes', async () => {
    const sealed = await wrapped(literal('', 'x'.repeat(100)));
    expect(await causeOf(open(sealed, 65_536, 99))).toBe('PGP_BOMB');
    expect((await open(sealed, 65_536, 100)).length).toBe(100);
  });
});

describe('compressed content', () => {
  const rows = Buffer.from('id,amount\n1,10.00\n'.repeat(40));
  const literalOf = (content: Uint8Array) => Buffer.concat([Buffer.from([0xaf, 0x62, 0, 0, 0, 0, 0]), content]);
  /** An old packet whose end is that of the message, as GnuPG makes them. */
  const compressed = (algorithm: number, bytes: Uint8Array) => Buffer.concat([Buffer.from([0xa3, algorithm]), bytes]);
  const zip = (content: Uint8Array) => compressed(1, deflateRawSync(literalOf(content)));
  const zlib = (content: Uint8Array) => compressed(2, deflateSync(literalOf(content)));

  test('of the library is opened, in pieces of any size, and its signatures are verified', async () => {
    const algorithms = [enums.compression.zip, enums.compression.zlib];
    const content = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(randomBytes(200_000)), fc.constant(rows));
    await fc.assert(
      fc.asyncProperty(
        content,
        fc.constantFrom(...algorithms),
        fc.integer({ min: 1, max: 70_000 }),
        async (bytes, preferred, size) => {
          const config = { preferredCompressionAlgorithm: preferred };
          const pieceBytes = bytes.length > 1_000 ? Math.max(size, 500) : size;
          const sealed = await sealedByLibrary(bytes, { signingKeys: other, config });
          expect(Buffer.compare(await open(sealed, pieceBytes), bytes)).toBe(0);
          const verified = openPgpMessage(inPieces(sealed, pieceBytes), {
            ...{
              decryptionKeys: [ours],
              verificationKeys: [other.toPublic()],
              isSignatureRequired: true,
              maxBytes: 1e6,
            },
          });
          expect(Buffer.compare(await collect(verified), bytes)).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  });

  test.each([
    ['ZIP', zip],
    ['ZLIB', zlib],
    ['none', (content: Uint8Array) => compressed(0, literalOf(content))],
    ['ZIP, twice', (content: Uint8Array) => compressed(1, deflateRawSync(zip(content)))],
  ])('by %s without lengths is opened', async (_how, made) => {
    const sealed = await wrapped(made(rows));
    for (const size of [3, 65_536]) expect(Buffer.compare(await open(sealed, size), rows)).toBe(0);
  });

  test('with any byte changed, or cut off anywhere, is refused', async () => {
    for (const made of [zip, zlib]) {
      const inner = made(rows);
      // Behind the header and the algorithm.
      for (let at = 2; at < inner.length; at += 1) {
        const changed = Buffer.from(inner);
        changed.writeUInt8(changed.readUInt8(at) ^ 0x20, at);
        const sealed = await wrapped(changed);
        // A sender may make any bytes; altered on the way they are refused, whatever they expand to.
        sealed.writeUInt8(sealed.readUInt8(sealed.length - 1) ^ 1, sealed.length - 1);
        expect(await causeOf(open(sealed))).toBe('PGP_ALTERED');
        expect(await causeOf(open(await wrapped(inner.subarray(0, at))))).toMatch(/^PGP_(TRUNCATED|SYNTAX)$/);
      }
    }
  });

  test.each([
    ['bytes after its end', (made: Buffer) => Buffer.concat([made, Buffer.from('more')])],
    ['many bytes after its end', (made: Buffer) => Buffer.concat([made, Buffer.alloc(300_000)])],
    [
      'another packet after the content in it',
      () =>
        compressed(
          1,
          deflateRawSync(Buffer.concat([Buffer.from([0xcb, 7, 0x62, 0, 0, 0, 0, 0, 0x61]), literalOf(rows)])),
        ),
    ],
    ['bytes that are not compressed', () => compressed(2, randomBytes(1_000))],
    ['nothing in it', () => compressed(1, Buffer.alloc(0))],
    ['no algorithm', () => Buffer.from([0xc8, 0])],
  ])('with %s is refused', async (_what, broken) => {
    const sealed = await wrapped(broken(zip(rows)));
    for (const size of [100, 65_536]) expect(await causeOf(open(sealed, size))).toMatch(/^PGP_(SYNTAX|TRUNCATED)$/);
  });

  test('that expands without measure is refused at the limit of bytes', async () => {
    const sealed = await wrapped(zip(Buffer.alloc(50_000_000)));
    const before = process.memoryUsage().arrayBuffers;
    expect(await causeOf(open(sealed, 65_536, 1_000_000))).toBe('PGP_BOMB');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 ** 2);
  });
});

/** Encrypted packets straight inside of encrypted ones, which no sender makes. */
async function wrapped(packets: Uint8Array): Promise<Buffer> {
  const { encryptBody, cipherOf } = await import('./encrypted-body.ts');
  const { encryptSessionKey, generateSessionKey } = await import('openpgp');
  const encryptionKeys = ours.toPublic();
  const session = await generateSessionKey({ encryptionKeys });
  const keys = (await encryptSessionKey({ ...session, encryptionKeys, format: 'binary' })) as Uint8Array;
  const body = encryptBody(inPieces(packets, 1_000), { cipher: cipherOf(session) ?? '', key: session.data });
  return Buffer.concat([keys, await collect(body)]);
}
