/** Numbers as exact decimal texts: no value of a file goes through floating point. */

/** Neither JSON nor a database takes more without loss. */
export const MOST_DIGITS = 38;
/** So many digits a double holds exactly, and orders rightly. */
const DIGITS_OF_A_DOUBLE = 15;

/** `digits` alone; `decimals` of them are after the implied point. */
export function decimalText(isNegative: boolean, digits: string, decimals: number): string {
  const whole = decimals === 0 ? digits : digits.length > decimals ? digits.slice(0, digits.length - decimals) : '0';
  let first = 0;
  while (first < whole.length - 1 && whole.charCodeAt(first) === 48) first += 1;
  const fraction = decimals === 0 ? '' : `.${digits.slice(-decimals).padStart(decimals, '0')}`;
  const text = `${first === 0 ? whole : whole.slice(first)}${fraction}`;
  return isNegative && !isZero(text) ? `-${text}` : text;
}

function isZero(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== 48 && code !== 46) return false;
  }
  return true;
}

/** A sign in front and a point, if any. Undefined when it is not a number or has over `mostDecimals` after the point. */
export function parseDecimal(text: string, mostDecimals: number): string | undefined {
  const sign = text.charCodeAt(0);
  const start = sign === 45 || sign === 43 ? 1 : 0;
  let point = -1;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 46 && point < 0) point = at;
    else if (code < 48 || code > 57) return undefined;
  }
  const digits = text.length - start - (point < 0 ? 0 : 1);
  if (digits < 1 || digits > MOST_DIGITS || point === start || point === text.length - 1) return undefined;
  const decimals = point < 0 ? 0 : text.length - point - 1;
  if (decimals > mostDecimals) return undefined;
  const joined = point < 0 ? text.slice(start) : text.slice(start, point) + text.slice(point + 1);
  return decimalText(sign === 45, joined, decimals);
}

/** Negative, 0 or positive, as in sorting. */
export function compareDecimals(a: string, b: string): number {
  if (a.length <= DIGITS_OF_A_DOUBLE && b.length <= DIGITS_OF_A_DOUBLE) return Number(a) - Number(b);
  const scale = Math.max(decimalsOf(a), decimalsOf(b));
  const difference = scaled(a, scale) - scaled(b, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

export function decimalsOf(text: string): number {
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.length - point - 1;
}

/** As a whole number of units of 10^-scale; `scale` is no less than the decimals of `text`. */
export function scaled(text: string, scale: number): bigint {
  const point = text.indexOf('.');
  const digits = point < 0 ? text : text.slice(0, point) + text.slice(point + 1);
  return BigInt(digits + '0'.repeat(scale - decimalsOf(text)));
}

export function unscaled(units: bigint, scale: number): string {
  return decimalText(units < 0n, String(units < 0n ? -units : units), scale);
}
