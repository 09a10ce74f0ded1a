/** For spreadsheet exports alone: files for partners keep the bytes that partners sent. */

/** A cell that a spreadsheet would take for a formula begins with an apostrophe instead (OWASP, "CSV Injection"). */
export function escapeFormula(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}
