/** What changed between two texts, as a unified diff. Bounded: texts that have little in common are shown as one replaced by the other. */
import type { StructuredPatch } from 'diff';

export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** The search costs its square; a page of changes has fewer lines. */
const MOST_EDITS = 1_000;
const CONTEXT_LINES = 3;

/** Empty when they are the same. */
export async function compareTexts(from: NamedText, to: NamedText): Promise<string> {
  if (from.text === to.text) return '';
  const { FILE_HEADERS_ONLY, formatPatch, structuredPatch } = await import('diff');
  const options = { context: CONTEXT_LINES, maxEditLength: MOST_EDITS };
  const patch = structuredPatch(from.name, to.name, from.text, to.text, undefined, undefined, options);
  return formatPatch(patch ?? replacement(from, to), FILE_HEADERS_ONLY);
}

function replacement(from: NamedText, to: NamedText): StructuredPatch {
  const [before, after] = [linesOf(from.text), linesOf(to.text)];
  const hunk = {
    oldStart: 1,
    oldLines: before.length,
    newStart: 1,
    newLines: after.length,
    lines: [...before.map((line) => `-${line}`), ...after.map((line) => `+${line}`)],
  };
  return { oldFileName: from.name, newFileName: to.name, oldHeader: undefined, newHeader: undefined, hunks: [hunk] };
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}
