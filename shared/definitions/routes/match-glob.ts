/**
 * Globs over a file's path in the tenant's home: `inbound/orders/**` + `/*.csv`.
 *
 * `*` and `?` stay within a segment, `**` as a whole segment spans any number of them, `[a-z]`, `[!a-z]` and `{csv,txt}` work as in a shell.
 * Letters count as they are; a leading dot is nothing special. Matching takes time linear in the path, whatever the glob.
 */
import { compileLinearPattern, type PatternFault } from '#shared/definitions/linear-pattern.ts';

const LONGEST_GLOB = 256;
/** `*` alone becomes five characters of a pattern. */
const LONGEST_TRANSLATION = LONGEST_GLOB * 5;

export type Glob = { readonly ok: true; readonly matches: (path: string) => boolean } | PatternFault;

export function compileGlob(glob: string): Glob {
  if (glob === '' || glob.length > LONGEST_GLOB) return fault(`a glob has 1 to ${LONGEST_GLOB} characters`);
  if (glob.startsWith('/')) return fault('a glob is relative to the home of the tenant: leave out the leading "/"');
  if (glob.split('/').some((segment) => segment === '.' || segment === '..'))
    return fault('a glob has no "." or ".." segment');
  const translated = translate(glob);
  return translated.ok ? compileLinearPattern(translated.pattern, LONGEST_TRANSLATION) : translated;
}

/** True when any glob matches; a fault in one of them is the caller's, who has checked them. */
export function compileGlobs(globs: readonly string[]): (path: string) => boolean {
  const compiled = globs.map(compileGlob).flatMap((glob) => (glob.ok ? [glob] : []));
  return (path) => compiled.some((glob) => glob.matches(path));
}

type Translation = { readonly ok: true; readonly pattern: string } | PatternFault;

function translate(glob: string): Translation {
  let pattern = '';
  let isInBraces = false;
  for (let at = 0; at < glob.length; ) {
    const rest = glob.slice(at);
    const spanning = /^\*\*(\/|$)/.exec(rest);
    const character = rest[0] as string;
    if (spanning !== null && (at === 0 || glob[at - 1] === '/') && !isInBraces) {
      pattern += spanning[1] === '/' ? '(?:.*/)?' : '.*';
      at += spanning[0].length;
    } else if (character === '*') {
      const stars = /^\*+/.exec(rest)?.[0].length ?? 1;
      if (stars > 1) return fault('"**" must be alone between slashes');
      pattern += '[^/]*';
      at += stars;
    } else if (character === '?') {
      pattern += '[^/]';
      at += 1;
    } else if (character === '[') {
      const set = /^\[([!^]?)(\]?[^\]/]*)\]/.exec(rest);
      if (set === null || set[2] === '') return fault('"[" is not closed');
      pattern += `[${set[1] === '' ? '' : '^/'}${(set[2] as string).replace(/[\\[\]^&~|]/g, '\\$&')}]`;
      at += set[0].length;
    } else if (character === '{') {
      if (isInBraces) return fault('"{" inside "{" is not supported');
      isInBraces = true;
      pattern += '(?:';
      at += 1;
    } else if (character === '}' && isInBraces) {
      isInBraces = false;
      pattern += ')';
      at += 1;
    } else if (character === ',' && isInBraces) {
      pattern += '|';
      at += 1;
    } else {
      const literal = character === '\\' ? rest[1] : character;
      if (literal === undefined) return fault('"\\" is at the end');
      pattern += literal.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
      at += character === '\\' ? 2 : 1;
    }
  }
  return isInBraces ? fault('"{" is not closed') : { ok: true, pattern };
}

function fault(message: string): PatternFault {
  return { ok: false, message };
}
