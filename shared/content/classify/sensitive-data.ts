/**
 * Counts what looks like payment cards, bank accounts and social security numbers in text, piece by piece.
 *
 * 1. Only what passes its own check counts: Luhn for cards, length and mod 97 for IBANs, the ranges that were ever given out for SSNs.
 * 2. Values go nowhere: counts are all that leaves.
 */

export const SENSITIVE_KINDS = ['card', 'iban', 'us-ssn'] as const;
export type SensitiveKind = (typeof SENSITIVE_KINDS)[number];
export type SensitiveCounts = Readonly<Partial<Record<SensitiveKind, number>>>;

interface Pattern {
  /** Bounded in length, so that its time is too. */
  readonly expression: RegExp;
  readonly isValid: (found: string) => boolean;
}

const PATTERNS: Readonly<Record<SensitiveKind, Pattern>> = {
  card: { expression: /(?<![\d.-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d.]?\d)/g, isValid: isCard },
  iban: { expression: /(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}/g, isValid: isIban },
  'us-ssn': {
    expression: /(?<![\d-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\d-])/g,
    isValid: () => true,
  },
};

/** The longest match with its separators, and what its surroundings are judged by. */
const LONGEST_MATCH = 128;

export interface SensitiveCounter {
  add(text: string): void;
  finish(): SensitiveCounts;
}

export function countSensitive(kinds: readonly SensitiveKind[]): SensitiveCounter {
  const counters = kinds.map((kind) => ({ kind, ...counterOf(PATTERNS[kind]) }));
  return {
    add(text) {
      for (const { add } of counters) add(text, false);
    },
    finish() {
      for (const { add } of counters) add('', true);
      return Object.fromEntries(counters.map(({ kind, count }) => [kind, count()]));
    },
  };
}

/** What begins within the last `LONGEST_MATCH` characters may continue in the next piece, and is judged with it. */
function counterOf({ expression, isValid }: Pattern) {
  let count = 0;
  let rest = '';
  /** How much of `rest` is there only as what is before. */
  let judged = 0;
  return {
    count: () => count,
    add(text: string, isEnd: boolean) {
      const all = rest + text;
      const until = isEnd ? all.length : Math.max(judged, all.length - LONGEST_MATCH);
      let next = until;
      for (const match of all.matchAll(expression)) {
        if (match.index < judged) continue;
        if (match.index >= until) break;
        if (isValid(match[0])) count += 1;
        next = Math.max(next, match.index + match[0].length);
      }
      const from = Math.max(0, Math.min(next, all.length) - 1);
      rest = all.slice(from);
      judged = Math.min(next, all.length) - from;
    },
  };
}

function isCard(found: string): boolean {
  const digits = found.replace(/\D/g, '');
  if (/^(\d)\1+$/.test(digits)) return false;
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits[digits.length - 1 - place]);
    const weighted = place % 2 === 1 ? digit * 2 : digit;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}

/** Of the registry of SWIFT: country and length. */
const IBAN_LENGTHS = new Map(
  'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20'
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** Words may follow after a space: only as much as the country's accounts have is looked at. */
function isIban(found: string): boolean {
  const length = IBAN_LENGTHS.get(found.slice(0, 2));
  const account = found.replaceAll(' ', '').slice(0, length);
  if (length === undefined || account.length < length) return false;
  const digits = `${account.slice(4)}${account.slice(0, 4)}`.replace(/[A-Z]/g, (letter) =>
    String(letter.charCodeAt(0) - 55),
  );
  let remainder = 0;
  for (const digit of digits) remainder = (remainder * 10 + Number(digit)) % 97;
  return remainder === 1;
}
