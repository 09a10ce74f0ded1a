/** Numbers as people and their programs write them (`1.234,50`, `5.00-`, `(5.00)`) to the form that `parseDecimal` reads. */
import type { RecordColumn } from '#shared/definitions/routes/record-column-schema.ts';

type NumberForm = Pick<RecordColumn, 'decimalMark' | 'groupMark' | 'negative'>;

/** Undefined when the column is written plainly. The function gives undefined for what is not a number of its form. */
export function writtenNumber({ decimalMark = '.', groupMark, negative }: NumberForm) {
  if (decimalMark === '.' && groupMark === undefined && negative === undefined) return undefined;
  const group = groupMark === undefined ? '' : GROUP_PATTERNS[groupMark];
  const digits = group === '' ? '\\d+' : `(?:\\d+|\\d{1,3}(?:${group}\\d{3})+)`;
  const number = new RegExp(`^(${digits})(?:[${decimalMark}](\\d+))?$`);
  return (text: string): string | undefined => {
    const [isNegative, unsigned] = signOf(text, negative);
    if (unsigned.length > LONGEST) return undefined;
    const [, whole, fraction] = number.exec(unsigned) ?? [];
    if (whole === undefined) return undefined;
    return `${isNegative ? '-' : ''}${whole.replace(/\D/g, '')}${fraction === undefined ? '' : `.${fraction}`}`;
  };
}

/** Twice the digits that any number may have. */
const LONGEST = 80;

const GROUP_PATTERNS = { ',': ',', '.': '[.]', ' ': '[ \u00a0\u202f]', "'": "['\u2019]" } as const;

function signOf(text: string, negative: NumberForm['negative']): readonly [boolean, string] {
  if (negative === 'parentheses' && text.startsWith('(') && text.endsWith(')')) return [true, text.slice(1, -1).trim()];
  const isTrailing = negative === 'trailing' && /[+-]$/.test(text);
  const sign = isTrailing ? text.slice(-1) : /^[+-]/.test(text) ? text.slice(0, 1) : '';
  if (sign === '') return [false, text];
  return [sign === '-', isTrailing ? text.slice(0, -1).trimEnd() : text.slice(1)];
}
