/** Where the values of a YAML document are, so that each fault can be shown at its line. Plain data, so that a thread can pass it on. */
import type { Document, LineCounter, Node } from 'yaml';
import { loadYaml } from '#shared/text/load-yaml.ts';

/** Both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

interface ValuePlaces {
  readonly value: Place;
  readonly key: Place;
}

/** By path; see `pathKey`. */
export type Places = ReadonlyMap<string, ValuePlaces>;

export interface RepeatedKey {
  readonly name: string;
  readonly place: Place;
}

/** Key of the document itself. */
const ROOT = '';
/** No definition has a tenth of this; walking recurses. */
const DEEPEST = 100;

export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Of the value at `path`, or of its key; of the nearest enclosing value when it is absent. */
export function findPlace(places: Places, path: readonly PropertyKey[], ofKey = false): Place {
  let found = places.get(ROOT)?.value ?? { line: 1, column: 1 };
  let key = ROOT;
  for (const [depth, segment] of path.entries()) {
    key = pathKey(key, String(segment));
    const place = places.get(key);
    if (place === undefined) return found;
    found = ofKey && depth === path.length - 1 ? place.key : place.value;
  }
  return found;
}

/**
 * Walks the document once. Keys that a mapping repeats are listed too: the parser's own check compares every two keys of a mapping,
 * a minute for 60,000 of them.
 *
 * @throws RangeError when the document is nested over 100 levels deep.
 */
export function readPlaces(document: Document, lines: LineCounter): { places: Places; repeated: RepeatedKey[] } {
  const { isAlias, isMap, isNode, isSeq } = loadYaml();
  const places = new Map<string, ValuePlaces>();
  const repeated: RepeatedKey[] = [];
  const beginning = placeOf(document.contents, lines) ?? placeAt(lines, 0);
  places.set(ROOT, { value: beginning, key: beginning });

  function walk(node: unknown, path: string, enclosing: Place, depth: number): void {
    if (depth > DEEPEST) throw new RangeError('nested too deeply');
    if (isMap(node)) {
      const names = new Set<string>();
      for (const { key, value } of node.items) {
        const keyPlace = placeOf(key, lines) ?? enclosing;
        const place = placeOf(value, lines) ?? keyPlace;
        if (isNode(key) && 'value' in key) {
          const name = String(key.value);
          if (names.has(name)) repeated.push({ name, place: keyPlace });
          names.add(name);
          const child = pathKey(path, name);
          if (!places.has(child)) places.set(child, { value: place, key: keyPlace });
          walk(value, child, place, depth + 1);
        } else if (!isAlias(key)) {
          walk(key, pathKey(path, '?'), keyPlace, depth + 1);
          walk(value, pathKey(path, '?'), place, depth + 1);
        }
      }
    } else if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) {
        const place = placeOf(item, lines) ?? enclosing;
        const child = pathKey(path, String(index));
        places.set(child, { value: place, key: place });
        walk(item, child, place, depth + 1);
      }
    }
  }
  walk(document.contents, ROOT, beginning, 0);
  return { places, repeated };
}

function pathKey(path: string, segment: string): string {
  return `${path}\0${segment}`;
}

function placeOf(node: unknown, lines: LineCounter): Place | undefined {
  const offset = loadYaml().isNode(node) ? (node as Node).range?.[0] : undefined;
  return offset === undefined ? undefined : placeAt(lines, offset);
}
