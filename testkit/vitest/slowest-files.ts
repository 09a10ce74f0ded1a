/** A reporter that ends a run with its ten slowest test files: where a minute can be saved. */
import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

const SHOWN = 10;
/** A run of one file has nothing to compare. */
const FEWEST = 20;

export default class SlowestFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (modules.length < FEWEST) return;
    const slowest = modules
      .map((module) => ({ module, ms: module.diagnostic().duration }))
      .sort((a, b) => b.ms - a.ms)
      .slice(0, SHOWN);
    const lines = slowest.map(({ module, ms }) => {
      const seconds = (ms / 1_000).toFixed(1).padStart(7);
      return `${seconds} s  ${module.project.name.padEnd(8)} ${relative(process.cwd(), module.moduleId)}`;
    });
    console.log(['', 'The slowest files:', ...lines].join('\n'));
  }
}
