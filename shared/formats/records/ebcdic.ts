/**
 * EBCDIC code pages as permutations of Latin-1: every byte has its character and every character of Latin-1 its byte, so that a file
 * goes there and back unchanged. After IBM's tables (CDRA); 0x15 is NEL (U+0085) and 0x25 LF in all of them. The pages with a
 * euro sign (cp1140 to cp1148) are those without, and have it in place of the currency sign.
 */
import type { EbcdicPage } from '#shared/definitions/routes/encoding-schema.ts';

const CP037 = Buffer.from(
  '000102039c09867f978d8e0b0c0d0e0f101112139d8508871819928f1c1d1e1f80818283840a171b88898a8b8c050607' +
    '909116939495960498999a9b14159e1a20a0e2e4e0e1e3e5e7f1a22e3c282b7c26e9eaebe8edeeefecdf21242a293bac' +
    '2d2fc2c4c0c1c3c5c7d1a62c255f3e3ff8c9cacbc8cdcecfcc603a2340273d22d8616263646566676869abbbf0fdfeb1' +
    'b06a6b6c6d6e6f707172aabae6b8c6a4b57e737475767778797aa1bfd0dddeae5ea3a5b7a9a7b6bcbdbe5b5dafa8b4d7' +
    '7b414243444546474849adf4f6f2f3f57d4a4b4c4d4e4f505152b9fbfcf9faff5cf7535455565758595ab2d4d6d2d3d5' +
    '30313233343536373839b3dbdcd9da9f',
  'hex',
);

/** What the others have differently: pairs of byte and character. */
const DIFFERENCES: Readonly<Partial<Record<EbcdicPage, string>>> = {
  cp273: '437b 4ac4 4f21 597e 5adc 5f5e 635b 6af6 7ca7 a1df b0a2 b540 baac bb7c c0e4 cca6 d0fc dc7d e0d6 ec5c fc5d',
  cp277:
    '477d 4a23 4f21 5aa4 5bc5 5f5e 6724 6af8 70a6 7bc6 7cd8 8040 9c7b 9e5b 9f5d a1fc b0a2 baac bb7c c0e6 d0e5 dc7e',
  cp278:
    '437b 477d 4aa7 4f21 5160 5aa4 5bc5 5f5e 6323 6724 6af6 715c 79e9 7bc4 7cd6 9f5d a1fc b0a2 b55b baac bb7c c0e4 cca6 d0e5 dc7e e0c9 ec40',
  cp280:
    '447b 485c 4ab0 4f21 515d 547d 587e 5ae9 5f5e 6af2 79f9 7ba3 7ca7 905b a1ec b0a2 b123 b540 baac bb7c c0e0 cda6 d0e8 dd60 e0e7',
  cp284: '49a6 4a5b 5a5d 6923 6af1 7bd1 a1a8 b0a2 ba5e bb21 bd7e',
  cp285: '4a24 5ba3 a1af b0a2 b15b ba5e bc7e',
  cp297:
    '4440 485c 4ab0 4f21 517b 547d 5aa7 5f5e 6af9 79b5 7ba3 7ce0 905b a060 a1a8 b0a2 b123 b55d baac bb7c bd7e c0e9 d0e8 dda6 e0e7',
  cp500: '4a5b 4f21 5a5d 5f5e b0a2 baac bb7c',
  cp1047: '5f5e ad5b b0ac badd bba8 bd5d',
};

const WITHOUT_EURO: Readonly<Partial<Record<EbcdicPage, EbcdicPage>>> = {
  cp1140: 'cp037',
  cp1141: 'cp273',
  cp1142: 'cp277',
  cp1143: 'cp278',
  cp1144: 'cp280',
  cp1145: 'cp284',
  cp1146: 'cp285',
  cp1147: 'cp297',
  cp1148: 'cp500',
};

export function hasEuro(page: EbcdicPage): boolean {
  return WITHOUT_EURO[page] !== undefined;
}

export interface EbcdicTable {
  readonly toLatin1: Uint8Array;
  readonly fromLatin1: Uint8Array;
}

export function ebcdicTable(page: EbcdicPage): EbcdicTable {
  const toLatin1 = new Uint8Array(CP037);
  for (const pair of DIFFERENCES[WITHOUT_EURO[page] ?? page]?.split(' ') ?? []) {
    toLatin1[Number.parseInt(pair.slice(0, 2), 16)] = Number.parseInt(pair.slice(2), 16);
  }
  const fromLatin1 = new Uint8Array(256);
  toLatin1.forEach((character, byte) => {
    fromLatin1[character] = byte;
  });
  return { toLatin1, fromLatin1 };
}

export function translate(bytes: Uint8Array, table: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  for (let at = 0; at < bytes.length; at++) out[at] = table[bytes[at] as number] as number;
  return out;
}
