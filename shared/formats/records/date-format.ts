/** Dates by a format of fixed positions (`yyyyMMdd`, `dd.MM.yyyy`, `yyyyDDD`), to ISO 8601. Days that no calendar has are refused. */

export type DateFormat =
  | {
      readonly ok: true;
      readonly length: number;
      readonly toIso: (text: string) => string | undefined;
      readonly fromIso: (iso: string) => string;
    }
  | { readonly ok: false; readonly message: string };

type Part = 'yyyy' | 'yy' | 'MM' | 'dd' | 'DDD' | 'HH' | 'mm' | 'ss';
const TOKENS = /yyyy|yy|MM|dd|DDD|HH|mm|ss|[-/.: T_]|./gsu;
const PARTS: ReadonlySet<string> = new Set<Part>(['yyyy', 'yy', 'MM', 'dd', 'DDD', 'HH', 'mm', 'ss']);
const PARTS_OF_DAY: readonly (readonly Part[])[] = [['MM', 'dd'], ['DDD']];
const PARTS_OF_TIME: readonly Part[] = ['HH', 'mm', 'ss'];
const DEFAULT_PIVOT_YEAR = 70;

export function compileDateFormat(format: string, pivotYear = DEFAULT_PIVOT_YEAR): DateFormat {
  const starts = new Map<Part, number>();
  const literals: [number, string][] = [];
  let length = 0;
  for (const [token] of format.matchAll(TOKENS)) {
    if (PARTS.has(token)) {
      if (starts.has(token as Part)) return refuse(`"${token}" occurs twice`);
      starts.set(token as Part, length);
    } else if (/^[-/.: T_]$/.test(token)) literals.push([length, token]);
    else
      return refuse(
        `"${token}" is not one of yyyy, yy, MM, dd, DDD, HH, mm, ss and the separators - / . : _ T and blank`,
      );
    length += token.length;
  }
  if (starts.has('yyyy') === starts.has('yy')) return refuse('it needs yyyy or yy');
  const dayParts = (['MM', 'dd', 'DDD'] as const).filter((part) => starts.has(part));
  if (!PARTS_OF_DAY.some((parts) => parts.join() === dayParts.join())) return refuse('it needs MM and dd, or DDD');
  const times = PARTS_OF_TIME.filter((part) => starts.has(part));
  if (times.join() !== PARTS_OF_TIME.slice(0, times.length).join())
    return refuse('it has seconds without minutes or hours');

  const digits = (text: string, part: Part): number => {
    const start = starts.get(part);
    return start === undefined ? 0 : digitsAt(text, start, part.length);
  };
  const yearPart = starts.has('yyyy') ? 'yyyy' : 'yy';

  function toIso(text: string): string | undefined {
    if (text.length !== length) return undefined;
    for (const [at, character] of literals) if (text[at] !== character) return undefined;
    let year = digits(text, yearPart);
    if (yearPart === 'yy' && year >= 0) year += year < pivotYear ? 2_000 : 1_900;
    let month = digits(text, 'MM');
    let day = digits(text, 'dd');
    if (year < 1) return undefined;
    if (starts.has('DDD')) {
      const dayOfYear = digits(text, 'DDD');
      if (dayOfYear < 1 || dayOfYear > (isLeap(year) ? 366 : 365)) return undefined;
      [month, day] = monthAndDay(dayOfYear, year);
    }
    if (month < 1 || month > 12 || day < 1 || day > daysOf(month, year)) return undefined;
    const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
    if (times.length === 0) return date;
    const [hour, minute, second] = [digits(text, 'HH'), digits(text, 'mm'), digits(text, 'ss')];
    if (!(hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60)) return undefined;
    return `${date}T${two(hour)}:${two(minute)}:${two(second)}`;
  }

  /** Of a date that `toIso` gave. */
  function fromIso(iso: string): string {
    const [year = '', month = '', day = ''] = iso.slice(0, 10).split('-');
    const [hour = '00', minute = '00', second = '00'] = iso.slice(11).split(':');
    const dayOfYear = String(dayInYear(Number(year), Number(month), Number(day))).padStart(3, '0');
    const texts: Readonly<Record<string, string>> = {
      yyyy: year,
      yy: year.slice(-2),
      MM: month,
      dd: day,
      DDD: dayOfYear,
      HH: hour === '' ? '00' : hour,
      mm: minute,
      ss: second,
    };
    return format.replace(TOKENS, (token) => texts[token] ?? token);
  }
  return { ok: true, length, toIso, fromIso };
}

function refuse(message: string): DateFormat {
  return { ok: false, message: `the date format cannot be used: ${message}` };
}

/** -1 when there is anything but digits. */
function digitsAt(text: string, start: number, length: number): number {
  let value = 0;
  for (let at = start; at < start + length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysOf(month: number, year: number): number {
  return month === 2 && isLeap(year) ? 29 : (DAYS[month - 1] ?? 0);
}

function monthAndDay(dayOfYear: number, year: number): [number, number] {
  let left = dayOfYear;
  let month = 1;
  while (left > daysOf(month, year)) {
    left -= daysOf(month, year);
    month += 1;
  }
  return [month, left];
}

function dayInYear(year: number, month: number, day: number): number {
  let sum = day;
  for (let before = 1; before < month; before++) sum += daysOf(before, year);
  return sum;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
