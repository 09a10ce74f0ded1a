/**
 * Takes what was sent as a secret out of what a partner says, which is stored, shown and delivered.
 *
 * 1. A secret is found as it is and as it may have been written on the way: encoded, escaped, or within a longer encoded text.
 * 2. So is a part of it, from FRAGMENT characters on, whatever its case and wherever blanks or line ends break it: partners cut, wrap and
 *    lower-case what they echo.
 */

/** Shorter ones would blot out words that are not secret. */
const SHORTEST_REDACTED = 4;
const SHORTEST_PIECE = 8;
/** Of normalised characters. Shorter parts are of little use to anybody, and are in words that are not secret. */
const FRAGMENT = 12;
/** Of a text, as nothing that is kept of one is longer: the search for parts costs by the character. */
const LONGEST_KEPT = 16_384;
/** Blanks of every width, soft hyphens and joiners. */
const BETWEEN = /[\s\u00ad\u200b-\u200d\u2060\ufeff]/u;
const REDACTED = '[redacted]';

type Redact = (text: string) => string;

/** Made once for calls that send the same secrets, as nearly all do. */
export function createRedactors(): (secrets: readonly string[]) => Redact {
  let last: { readonly key: string; readonly redact: Redact } | undefined;
  return (secrets) => {
    const key = secrets.join('\n');
    if (last?.key !== key) last = { key, redact: redactorOf(secrets) };
    return last.redact;
  };
}

function redactorOf(given: readonly string[]): Redact {
  const secrets = given.filter((secret) => secret.length >= SHORTEST_REDACTED);
  const written = [...new Set(secrets.flatMap(spellingsOf))].sort((a, b) => b.length - a.length);
  const fragments = new Set(written.flatMap(fragmentsOf));
  if (written.length === 0) return (text) => text.slice(0, LONGEST_KEPT);
  return (text) => {
    const clean = written.reduce((rest, spelling) => rest.replaceAll(spelling, REDACTED), text);
    return withoutFragments(clean.slice(0, LONGEST_KEPT), fragments);
  };
}

function spellingsOf(secret: string): string[] {
  return [
    secret,
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('base64url'),
    ...insideBase64(secret),
    Buffer.from(secret).toString('hex'),
    Buffer.from(secret).toString('hex').toUpperCase(),
    ...[encodeURIComponent(secret), new URLSearchParams({ '': secret }).toString().slice(1)].flatMap((text) => [
      text,
      text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    ]),
    JSON.stringify(secret).slice(1, -1),
  ];
}

function fragmentsOf(spelling: string): string[] {
  const { plain } = normalised(spelling);
  return Array.from({ length: Math.max(0, plain.length - FRAGMENT + 1) }, (_, at) => plain.slice(at, at + FRAGMENT));
}

/** `places`: where each character of `plain` is in `text`. */
function normalised(text: string): { readonly plain: string; readonly places: readonly number[] } {
  let plain = '';
  const places: number[] = [];
  for (let place = 0; place < text.length; place += 1) {
    const character = text.charAt(place);
    if (BETWEEN.test(character)) continue;
    const lower = character.toLowerCase();
    // Of a few characters the lower case is two.
    plain += lower.length === 1 ? lower : character;
    places.push(place);
  }
  return { plain, places };
}

function withoutFragments(text: string, fragments: ReadonlySet<string>): string {
  if (text.length < FRAGMENT) return text;
  const { plain, places } = normalised(text);
  let clean = '';
  let copied = 0;
  for (let at = 0; at + FRAGMENT <= plain.length; at += 1) {
    if (!fragments.has(plain.slice(at, at + FRAGMENT))) continue;
    let last = at + FRAGMENT - 1;
    while (fragments.has(plain.slice(last - FRAGMENT + 2, last + 2)) && last + 1 < plain.length) last += 1;
    clean += text.slice(copied, places[at]) + REDACTED;
    copied = (places[last] ?? text.length - 1) + 1;
    at = last;
  }
  return clean + text.slice(copied);
}

/** What base64 makes of it within a longer text, whose length before it decides which; without the characters that it shares. */
function insideBase64(secret: string): string[] {
  return [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor((bytes.length * 8) / 6);
    const pieces = [bytes.toString('base64'), bytes.toString('base64url')].map((text) => text.slice(first, last));
    return pieces.filter((piece) => piece.length >= SHORTEST_PIECE);
  });
}
