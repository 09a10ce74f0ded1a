/**
 * Tests are next to the code; the end-to-end suites are in `test/`. Sized for two cores: many files mostly wait. What a file uses decides its project:
 * `testkit/vitest/test-projects.ts`.
 */
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import LongestFirst from '#testkit/vitest/longest-first.ts';
import { groupTestFiles, PROJECT_NAMES, type ProjectName } from '#testkit/vitest/test-projects.ts';

/** A suite starts hundreds of processes: compiled code is kept between them, and between runs. */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/longshore-tests');

const files = groupTestFiles(import.meta.dirname);

/**
 * Groups run one after another. Fleets and files of services are one group: the former fill the cores while they start, the latter wait, for
 * clocks, for leases, for replies, and between them no core is idle. Fleets come first in it, and the largest files before the small ones, so
 * that no long file is left alone at the end. Of what is long most files have a fleet, or start a process for each kill: a core each.
 */
const WORKERS = { unit: 2, e2e: 4, service: 4, process: 4, long: 2 } as const satisfies Record<ProjectName, number>;
const GROUPS = { unit: 0, e2e: 1, service: 1, process: 1, long: 2 } as const satisfies Record<ProjectName, number>;

/** The young generation of a process that tests: left alone it begins with 1 MiB, and moving what outlives it is a fifteenth of the work. */
const YOUNG = ['--min-semi-space-size=32', '--max-semi-space-size=64'];

/** Pure code shares threads; files with databases, sockets and children share processes, and loaded modules, unless they need their own. */
function poolOf(name: ProjectName) {
  return {
    pool: name === 'unit' ? ('threads' as const) : ('forks' as const),
    isolate: name !== 'unit' && name !== 'service',
    // A file of `process` or `long` may measure its own memory.
    ...((name === 'service' || name === 'e2e') && { execArgv: YOUNG }),
    maxWorkers: WORKERS[name],
    sequence: { groupOrder: GROUPS[name] },
  };
}

export default defineConfig({
  test: {
    globalSetup: ['testkit/vitest/global-setup.ts'],
    setupFiles: ['testkit/vitest/compare-bytes.ts', 'testkit/vitest/restore-stubs.ts'],
    reporters: ['default', './testkit/vitest/slowest-files.ts'],
    // How long a machine may take that does ten other things at once: nothing waits for its limit where all is well.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000 } },
    sequence: { sequencer: LongestFirst },
    projects: PROJECT_NAMES.filter((name) => files[name].length > 0).map((name) => ({
      extends: true,
      test: { name, include: files[name], ...poolOf(name) },
    })),
  },
});
