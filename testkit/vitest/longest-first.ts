/**
 * Which file of a project begins first: the longest, so that none is left alone at the end while the other workers have nothing to do.
 *
 * What a run before it took is known to vitest. A fresh clone has had none: there a long file is judged by its text and by that of the checks
 * and beds it imports, since the shortest of them (`interleaving.long.test.ts` has four lines) are among those that take longest.
 */
import { existsSync, readFileSync } from 'node:fs';
import { sep } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { importsOf, type ProjectName, resolveOwn } from './test-projects.ts';

const LONG: ProjectName = 'long';

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isUnknown = (file: TestSpecification) => this.ctx.cache.getTestSpecificationResult(file) === undefined;
    const long = sorted.filter(({ project }) => project.name === LONG);
    if (!long.some(isUnknown)) return sorted;
    const { root } = this.ctx.config;
    const weights = new Map(long.map((file) => [file, weightOf(root, file.moduleId)]));
    long.sort((one, other) => (weights.get(other) ?? 0) - (weights.get(one) ?? 0));
    return sorted.map((file) => (file.project.name === LONG ? (long.shift() ?? file) : file));
  }
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
