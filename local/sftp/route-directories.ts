/**
 * The directories that a tenant's routes name: the part of a glob before its first pattern, `inbound/orders` of `inbound/orders/*.csv`.
 * They are shown before anything is in them, so that the `cd` of a new partner's script works.
 */
const PATTERN = /[*?[{]/;

export function routeDirectories(globs: readonly string[]): string[] {
  return [...new Set(globs.map(directoryOf))].filter((directory) => directory !== '');
}

function directoryOf(glob: string): string {
  const names = glob.split('/');
  const first = names.findIndex((name) => PATTERN.test(name));
  return names.slice(0, first === -1 ? -1 : first).join('/');
}
