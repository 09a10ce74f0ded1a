import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { makeSshKey } from './make-ssh-key.ts';

test('every key pair can be read, also the one in 256 whose public half begins with a zero', () => {
  for (let made = 0; made < 1_500; made += 1) {
    const pair = makeSshKey('someone');
    const [privateKey, publicKey] = [pair.private, pair.public].map((text) => ssh2.utils.parseKey(text));
    if (privateKey instanceof Error || publicKey instanceof Error) throw new Error(`unreadable: ${pair.public}`);
    expect(privateKey?.getPublicSSH()).toEqual(publicKey?.getPublicSSH());
    const data = Buffer.from('signed');
    if (made < 10) expect(publicKey?.verify(data, privateKey?.sign(data) as Buffer)).toBe(true);
  }
});
