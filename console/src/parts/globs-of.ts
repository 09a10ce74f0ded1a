/** The patterns of paths that a route matches, of a definition in any form. */
export function globsOf(definition: unknown): string[] {
  const { match } = (definition ?? {}) as { readonly match?: { readonly path?: unknown } };
  return [match?.path].flat().filter((glob) => typeof glob === 'string');
}
