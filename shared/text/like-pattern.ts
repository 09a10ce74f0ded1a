/** For SQL's LIKE: `*` is the only wildcard; LIKE's own are escaped. */
export function toLikePattern(text: string): string {
  return text.replaceAll(/[\\%_]/g, (character) => `\\${character}`).replaceAll('*', '%');
}
