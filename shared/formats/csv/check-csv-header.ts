/** Whether a CSV header is the one that is asked for. A fault shows what there is, with every character that the eye cannot tell from another as a code. */
import { FormatFault } from '#shared/formats/format-fault.ts';
import { delimiterFault } from './csv-row-scan.ts';

export interface HeaderRule {
  readonly header?: readonly string[] | undefined;
  readonly columns?: number | undefined;
  readonly delimiter?: string | undefined;
}

export function checkCsvHeader(names: readonly string[], rule: HeaderRule): FormatFault | undefined {
  const wanted = rule.header?.length ?? rule.columns;
  if (wanted !== undefined && names.length !== wanted) {
    const other = otherDelimiter(names, wanted, rule.delimiter);
    if (other !== undefined) return other;
    const has = `The header has ${names.length} ${names.length === 1 ? 'column' : 'columns'} and not ${wanted}.`;
    return new FormatFault('CSV_COLUMN_COUNT', has, 1);
  }
  const repeated = repeatedName(names);
  if (repeated !== undefined) return repeated;
  const other = rule.header?.findIndex((name, index) => names[index] !== name) ?? -1;
  if (other < 0) return undefined;
  const message = `Column ${other + 1} of the header is not named "${rule.header?.[other]}". It is "${shownName(names[other] as string)}".`;
  return new FormatFault('CSV_HEADER_MISMATCH', message, 1);
}

interface RecordHeaderRule {
  readonly unknown: 'reject' | 'ignore';
  readonly delimiter: string;
  /** Of those that are wanted: they may be absent. */
  readonly optional?: ReadonlySet<string>;
}

/** The names may come in any order. */
export function recordHeaderFault(
  names: readonly string[],
  wanted: readonly string[],
  { unknown, delimiter, optional }: RecordHeaderRule,
): FormatFault | undefined {
  const repeated = repeatedName(names);
  if (repeated !== undefined) return repeated;
  const present = new Set(names);
  const missing = wanted.find((name) => !present.has(name) && optional?.has(name) !== true);
  if (missing !== undefined) {
    const other = otherDelimiter(names, wanted.length, delimiter);
    if (other !== undefined) return other;
    const like = names.find((name) => alike(name) === alike(missing));
    const has = like === undefined ? `It has ${shownNames(names)}.` : `It is "${shownName(like)}".`;
    return new FormatFault('CSV_HEADER_MISMATCH', `The header has no column "${missing}". ${has}`, 1);
  }
  const known = new Set(wanted);
  const extra = names.findIndex((name) => !known.has(name));
  if (extra < 0 || unknown === 'ignore') return undefined;
  const message = `Column ${extra + 1} of the header is not in the layout. It is "${shownName(names[extra] as string)}".`;
  return new FormatFault('CSV_HEADER_MISMATCH', message, 1);
}

function repeatedName(names: readonly string[]): FormatFault | undefined {
  const first = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const before = first.get(name);
    if (before === undefined) first.set(name, index);
    else {
      const message = `The header has the same name in columns ${before + 1} and ${index + 1}. It is "${shownName(name)}".`;
      return new FormatFault('CSV_HEADER_DUPLICATE', message, 1);
    }
  }
  return undefined;
}

const DELIMITERS = [';', '\t', '|', ','];

/** A single column that another delimiter takes apart. */
function otherDelimiter(names: readonly string[], wanted: number, delimiter: string | undefined) {
  const only = names[0];
  if (names.length !== 1 || only === undefined || wanted === 1) return undefined;
  const other = DELIMITERS.find((candidate) => candidate !== delimiter && only.includes(candidate));
  return other === undefined ? undefined : delimiterFault(other, 'The columns of the header seem to be', 1);
}

/** What people take for the same name. */
function alike(name: string): string {
  return name
    .normalize('NFKC')
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, '')
    .toLowerCase();
}

const LONGEST_SHOWN = 64;
const MOST_SHOWN = 5;

function shownNames(names: readonly string[]): string {
  const shown = names.slice(0, MOST_SHOWN).map((name) => `"${shownName(name)}"`);
  return `${shown.join(', ')}${names.length > MOST_SHOWN ? ` and ${names.length - MOST_SHOWN} more` : ''}`;
}

function shownName(name: string): string {
  const cut = name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}...` : name;
  return cut.replace(/[^\P{Z} ]|[\p{C}\p{M}]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
