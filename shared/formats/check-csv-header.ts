/** Whether a CSV header is the one that is asked for. */
import { FormatFault } from './format-fault.ts';

export interface HeaderRule {
  readonly header?: readonly string[] | undefined;
  readonly columns?: number | undefined;
}

export function checkCsvHeader(names: readonly string[], { header, columns }: HeaderRule): FormatFault | undefined {
  const repeated = names.findIndex((name, index) => names.indexOf(name) < index);
  if (repeated >= 0) {
    const message = `The header has the same name in columns ${names.indexOf(names[repeated] as string) + 1} and ${repeated + 1}.`;
    return new FormatFault('CSV_HEADER_DUPLICATE', message, 1);
  }
  const wanted = header?.length ?? columns;
  if (wanted !== undefined && names.length !== wanted) {
    return new FormatFault(
      'CSV_COLUMN_COUNT',
      `The header has ${names.length} ${names.length === 1 ? 'column' : 'columns'} and not ${wanted}.`,
      1,
    );
  }
  const other = header?.findIndex((name, index) => names[index] !== name) ?? -1;
  if (other < 0) return undefined;
  return new FormatFault(
    'CSV_HEADER_MISMATCH',
    `Column ${other + 1} of the header is not named "${header?.[other]}".`,
    1,
  );
}
