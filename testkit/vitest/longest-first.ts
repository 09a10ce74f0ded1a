/**
 * Which file of a project begins first: the longest, so that none is left alone at the end while the other workers have nothing to do.
 *
 * What a run before it took is known to vitest. A fresh clone has had none: there the files of `long-files.json` begin, with the seconds that
 * they took on two quiet cores, and of the others a long file is judged by its text and by that of the checks and beds it imports.
 */
import { existsSync, readFileSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import LONG_FILES from './long-files.json' with { type: 'json' };
import { importsOf, type ProjectName, resolveOwn } from './test-projects.ts';

const LONG: ProjectName = 'long';

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isUnknown = (file: TestSpecification) => this.ctx.cache.getTestSpecificationResult(file) === undefined;
    const long = sorted.filter(({ project }) => project.name === LONG);
    if (!long.some(isUnknown)) return sorted;
    const { root } = this.ctx.config;
    const order = orderOf(
      root,
      long.map(({ moduleId }) => moduleId),
    );
    long.sort((one, other) => order.indexOf(one.moduleId) - order.indexOf(other.moduleId));
    return sorted.map((file) => (file.project.name === LONG ? (long.shift() ?? file) : file));
  }
}

/** The longest first. */
export function orderOf(
  root: string,
  tests: readonly string[],
  seconds: Readonly<Record<string, number>> = LONG_FILES,
) {
  const keys = new Map(
    tests.map((test) => [test, [seconds[relative(root, test)] ?? 0, weightOf(root, test)] as const]),
  );
  return tests.toSorted((one, other) => {
    const [longer, heavier] = keys.get(one) ?? [0, 0];
    const [otherLonger, otherHeavier] = keys.get(other) ?? [0, 0];
    return otherLonger - longer || otherHeavier - heavier;
  });
}

/** Characters of a test and of everything under `test/` and `testkit/` that it imports, however far away. */
export function weightOf(root: string, test: string): number {
  const seen = new Set<string>();
  const isOfTests = (path: string) =>
    ['test', 'testkit'].some((folder) => path.startsWith(`${root}${sep}${folder}${sep}`));
  const weigh = (path: string): number => {
    if (seen.has(path) || !existsSync(path)) return 0;
    seen.add(path);
    const imported = importsOf(path)
      .map((specifier) => resolveOwn(root, path, specifier))
      .filter((own) => own !== undefined);
    return imported.filter(isOfTests).reduce((sum, own) => sum + weigh(own), readFileSync(path, 'utf8').length);
  };
  return weigh(test);
}
