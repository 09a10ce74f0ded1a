/** One row of a CSV made for people: every cell quoted (RFC 4180), none of them a formula. */
import { escapeFormula } from './escape-formula.ts';

export function spreadsheetRow(cells: readonly (string | number | null | undefined)[]): string {
  return `${cells.map(quotedCell).join(',')}\r\n`;
}

function quotedCell(cell: string | number | null | undefined): string {
  return `"${escapeFormula(String(cell ?? '')).replaceAll('"', '""')}"`;
}
