/** Where a value of a YAML document stands, so that its fault can be shown at its line. */
import { type Document, isMap, isNode, type LineCounter, type Node } from 'yaml';

/** Both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Of the value at `path`, or of its key; of the nearest enclosing value when it is absent. */
export type FindPlace = (path: readonly PropertyKey[], ofKey?: boolean) => Place;

export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

export function placesIn(document: Document, lines: LineCounter): FindPlace {
  return (path, ofKey = false) => placeAt(lines, offsetOf(document, path, ofKey));
}

function offsetOf(document: Document, path: readonly PropertyKey[], ofKey: boolean): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const [depth, segment] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(
        ({ key }) => isNode(key) && String((key as { value?: unknown }).value) === String(segment),
      );
      if (pair === undefined) return offset;
      const isLast = depth === path.length - 1;
      const shown = ofKey && isLast ? pair.key : pair.value;
      offset = startOf(shown) ?? startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (typeof node === 'object' && node !== null && 'items' in node) {
      node = (node.items as readonly unknown[])[Number(segment)];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? ((node as Node).range?.[0] ?? undefined) : undefined;
}
