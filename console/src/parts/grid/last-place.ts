/** Which row of a list was gone to last, so that Back leads to it again, and not to the beginning. Of the last list only. */
let last: { readonly entry: string; readonly index: number } | undefined;

export function rememberPlace(index: number): void {
  const entry = entryOfHistory();
  last = entry === undefined ? undefined : { entry, index };
}

export function lastPlace(): number {
  return last !== undefined && last.entry === entryOfHistory() ? last.index : 0;
}

/** The router's name of the entry: another one when the same address is opened again. */
function entryOfHistory(): string | undefined {
  return (history.state as { readonly __TSR_key?: string } | null)?.__TSR_key;
}
