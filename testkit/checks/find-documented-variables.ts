/** The tables of variables in `docs/reference/configuration.md`: by the heading of a process, `name=default`. */
export function findDocumentedVariables(page: string): Record<string, string[]> {
  const sections = page.split(/\n## /).slice(1);
  return Object.fromEntries(
    sections.map((section) => {
      const rows = [...section.matchAll(/^\| `([A-Z0-9_]+)` \| (`[^`]*`|required|none) \|/gm)];
      const heading = section.slice(0, section.indexOf('\n'));
      return [heading, rows.map(([, name, value]) => `${name}=${value?.replaceAll('`', '')}`).sort()];
    }),
  );
}
