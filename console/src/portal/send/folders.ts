/** Folders in which some route takes files, from what the routes match: the part of a pattern before its first wildcard, without the name. */
import { globsOf } from '../../parts/globs-of.ts';

interface Route {
  readonly definition: unknown;
  readonly disabled_at: string | null;
}

const WILDCARD = /[*?[\]{}()!+@]/;

export function foldersOf(routes: readonly Route[]): string[] {
  const folders = routes
    .filter(({ disabled_at: at }) => at === null)
    .flatMap(({ definition }) => globsOf(definition))
    .map((glob) => {
      const parts = glob.split('/').slice(0, -1);
      const wild = parts.findIndex((part) => WILDCARD.test(part));
      return (wild === -1 ? parts : parts.slice(0, wild)).join('/');
    });
  return [...new Set(folders.filter((folder) => folder !== ''))].sort();
}
