/** Links of Markdown pages, and mentions of pages in any other file, that lead nowhere: no such file, or no such heading in it. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { anchorsOf } from './anchors-of.ts';

export function findBrokenLinks(root: string, files: readonly string[]): string[] {
  const anchors = new Map<string, readonly string[]>();
  const leadsSomewhere = (path: string, anchor: string | undefined): boolean => {
    const target = join(root, path);
    if (!existsSync(target)) return false;
    if (anchor === undefined) return true;
    if (statSync(target).isDirectory() || !path.endsWith('.md')) return false;
    if (!anchors.has(path)) anchors.set(path, anchorsOf(readFileSync(target, 'utf8')));
    return anchors.get(path)?.includes(anchor) ?? false;
  };
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const links = file.endsWith('.md') ? linksOf(file, text) : [];
    return [...links, ...mentionsOf(text)]
      .filter(({ path, anchor }) => !leadsSomewhere(path, anchor))
      .map(({ shown }) => `${file}: ${shown}`);
  });
}

interface Link {
  readonly shown: string;
  /** From the root of the repository. */
  readonly path: string;
  readonly anchor: string | undefined;
}

/** `[text](page.md#anchor)` outside of code; other sites are not asked. */
function linksOf(file: string, text: string): Link[] {
  const prose = text.replace(/^ *(```|~~~).*?^ *\1/gms, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, shown = '']) => shown)
    .filter((shown) => !/^[a-z]+:/.test(shown))
    .map((shown) => {
      const [path = '', anchor] = shown.split('#');
      return { shown, path: path === '' ? file : normalize(join(dirname(file), path)), anchor };
    });
}

/** `docs/guides/routes.md#steps`, as comments, messages and alerts write it. */
function mentionsOf(text: string): Link[] {
  return [...text.matchAll(/(?<![\w/.-])(docs\/[\w/-]+\.(?:md|json|svg))(?:#([\w-]+))?/g)].map(
    ([shown, path = '', anchor]) => ({ shown, path, anchor }),
  );
}
