/** The numbers of COBOL: zoned (USAGE DISPLAY), packed (COMP-3) and binary (COMP), after IBM's "Enterprise COBOL for z/OS Language Reference". */
import { decimalText } from './decimal-text.ts';
import type { EncodingCodec } from './record-encoding.ts';

export type SignPlace = 'trailing' | 'leading' | 'trailing-separate' | 'leading-separate';

/** Zone C and D over 0 to 9, as characters of ASCII files. */
const POSITIVE = '{ABCDEFGHI';
const NEGATIVE = '}JKLMNOPQR';
/** Micro Focus and GnuCOBOL write negative digits of ASCII files so, and positive ones plainly. */
const NEGATIVE_OF_ASCII = 'pqrstuvwxy';

/** A last or first digit with its sign over it: the digit, and whether it is negative. */
export type ZonedSigns = ReadonlyMap<string, readonly [digit: number, isNegative: boolean]>;

/**
 * In EBCDIC by the zone of the byte (C, A and E positive, D and B negative), whatever character that is in the code page: in Germany +0 is `ä`. Elsewhere
 * the characters of cp037, or those of Micro Focus and GnuCOBOL.
 */
export function zonedSigns(codec: EncodingCodec, overpunch: 'ibm' | 'ascii'): ZonedSigns {
  const signs = new Map<string, readonly [number, boolean]>();
  for (let digit = 0; digit < 10; digit++) {
    if (codec.isEbcdic) {
      for (const zone of [0xa0, 0xb0, 0xc0, 0xd0, 0xe0]) {
        signs.set(codec.toUnits(Buffer.of(zone | digit)), [digit, zone === 0xb0 || zone === 0xd0]);
      }
      continue;
    }
    if (overpunch === 'ibm') signs.set(POSITIVE[digit] as string, [digit, false]);
    signs.set((overpunch === 'ibm' ? NEGATIVE : NEGATIVE_OF_ASCII)[digit] as string, [digit, true]);
  }
  return signs;
}

/** Undefined when it is not a zoned number. */
export function readZoned(text: string, sign: SignPlace, decimals: number, signs: ZonedSigns): string | undefined {
  const last = text.length - 1;
  const at = sign === 'leading' || sign === 'leading-separate' ? 0 : last;
  const signed = text[at] ?? '';
  if (sign.endsWith('separate')) {
    if (last < 1 || (signed !== '+' && signed !== '-')) return undefined;
    const digits = at === 0 ? text.slice(1) : text.slice(0, last);
    return isDigits(digits) ? decimalText(signed === '-', digits, decimals) : undefined;
  }
  if (isDigits(text)) return decimalText(false, text, decimals);
  const [digit, isNegative] = signs.get(signed) ?? [];
  if (digit === undefined || isNegative === undefined) return undefined;
  const others = at === 0 ? text.slice(1) : text.slice(0, last);
  if (others !== '' && !isDigits(others)) return undefined;
  return decimalText(isNegative, at === 0 ? digit + others : others + digit, decimals);
}

export function writeZoned(isNegative: boolean, digits: string, sign: SignPlace, codec: EncodingCodec): string {
  const overpunch = (digit: string) =>
    codec.isEbcdic
      ? codec.toUnits(Buffer.of((isNegative ? 0xd0 : 0xc0) | Number(digit)))
      : ((isNegative ? NEGATIVE : POSITIVE)[Number(digit)] as string);
  switch (sign) {
    case 'trailing-separate':
      return `${digits}${isNegative ? '-' : '+'}`;
    case 'leading-separate':
      return `${isNegative ? '-' : '+'}${digits}`;
    case 'leading':
      return overpunch(digits.slice(0, 1)) + digits.slice(1);
    case 'trailing':
      return digits.slice(0, -1) + overpunch(digits.slice(-1));
  }
}

/** Undefined when a digit is over 9 or the sign is none. */
export function readPacked(bytes: Uint8Array, from: number, length: number, decimals: number): string | undefined {
  let digits = '';
  let small = 0;
  const isShort = length <= 8;
  const end = from + length - 1;
  for (let at = from; at <= end; at++) {
    const byte = bytes[at] as number;
    const high = byte >> 4;
    if (high > 9) return undefined;
    if (isShort) small = small * 10 + high;
    else digits += high;
    if (at === end) break;
    const low = byte & 15;
    if (low > 9) return undefined;
    if (isShort) small = small * 10 + low;
    else digits += low;
  }
  const sign = (bytes[end] as number) & 15;
  if (sign < 10) return undefined;
  const isNegative = sign === 13 || sign === 11;
  return decimalText(isNegative, isShort ? String(small) : digits, decimals);
}

/** Of `length` bytes: twice as many digits less one, and the sign. */
export function writePacked(isNegative: boolean, digits: string, length: number): Buffer {
  return Buffer.from(digits.padStart(length * 2 - 1, '0') + (isNegative ? 'd' : 'c'), 'hex');
}

export interface BinaryForm {
  readonly isSigned: boolean;
  readonly isLittle: boolean;
}

const MOST_BYTES_OF_A_DOUBLE = 6;

/** Up to 8 bytes, two's complement when signed. */
export function readBinary(bytes: Buffer, from: number, length: number, decimals: number, form: BinaryForm): string {
  if (length <= MOST_BYTES_OF_A_DOUBLE) {
    const small = readSmall(bytes, from, length, form);
    return decimalText(small < 0, String(Math.abs(small)), decimals);
  }
  let value = 0n;
  for (let index = 0; index < length; index++) {
    const at = form.isLittle ? from + length - 1 - index : from + index;
    value = (value << 8n) | BigInt(bytes[at] as number);
  }
  if (form.isSigned) value = BigInt.asIntN(length * 8, value);
  return decimalText(value < 0n, String(value < 0n ? -value : value), decimals);
}

function readSmall(bytes: Buffer, from: number, length: number, { isSigned, isLittle }: BinaryForm): number {
  if (isSigned) return isLittle ? bytes.readIntLE(from, length) : bytes.readIntBE(from, length);
  return isLittle ? bytes.readUIntLE(from, length) : bytes.readUIntBE(from, length);
}

export function writeBinary(value: bigint, length: number, form: BinaryForm): Buffer {
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0');
  const bytes = Buffer.from(hex, 'hex');
  return form.isLittle ? bytes.reverse() : bytes;
}

function isDigits(text: string): boolean {
  if (text === '') return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 48 || code > 57) return false;
  }
  return true;
}
