/**
 * Tests are beside the code; the end-to-end suites are in `test/`. Sized for two cores: many files mostly wait. What a file uses decides its project:
 * `testkit/vitest/test-projects.ts`.
 */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { groupTestFiles, PROJECT_NAMES, type ProjectName } from '#testkit/vitest/test-projects.ts';

/** A suite starts hundreds of processes: compiled code is kept between them, and between runs. */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/longshore-tests');

const files = groupTestFiles(import.meta.dirname);

/** What moves gigabytes or floods a fleet fills two cores. */
const LONG = { maxWorkers: 2, sequence: { groupOrder: 2 } };

/** Pure code shares threads; files with databases, sockets and children share processes, and loaded modules, unless they need their own. */
function poolOf(name: ProjectName) {
  return name === 'unit'
    ? { pool: 'threads' as const, isolate: false, sequence: { groupOrder: 0 } }
    : {
        pool: 'forks' as const,
        isolate: name !== 'service',
        sequence: { groupOrder: 1 },
        ...(name === 'long' && LONG),
      };
}

export default defineConfig({
  test: {
    globalSetup: ['testkit/vitest/global-setup.ts'],
    reporters: ['default', './testkit/vitest/slowest-files.ts'],
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 180_000,
    projects: PROJECT_NAMES.filter((name) => files[name].length > 0).map((name) => ({
      extends: true,
      test: { name, include: files[name], ...poolOf(name) },
    })),
  },
});
