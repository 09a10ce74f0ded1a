/** Tests stand beside the code; the end-to-end suites are in `test/`. Sized for two cores. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/.longshore/**', 'test/containers/**'],
    globalSetup: ['local/postgres/vitest-global-setup.ts'],
    // Real processes, sockets and databases: a test belongs to a process of its own, two at a time.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
});
