/** The list from which a file was opened, for the file's page to go to the one before and after. */
let ids: readonly string[] = [];

export function rememberList(list: readonly string[]): void {
  ids = list;
}

export function neighboursOf(id: string): { readonly before: string | undefined; readonly after: string | undefined } {
  const at = ids.indexOf(id);
  return at === -1 ? { before: undefined, after: undefined } : { before: ids[at - 1], after: ids[at + 1] };
}
