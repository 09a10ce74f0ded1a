/**
 * `npm run test:containers`: end-to-end suites of `test/e2e/suites`, the same ones, with PostgreSQL, ElasticMQ and MinIO in containers in place of
 * the embedded servers.
 *
 * 1. Without a container engine every test is skipped, a sentence says so, and the run succeeds. `LONGSHORE_TEST_SERVERS_FILE` names servers
 *    that run already; then no engine is needed.
 * 2. Left out are suites that break the servers themselves or that measure a machine; they need the embedded ones.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { loadContainersConfig } from './config.ts';
import { findEngineFault } from './start-containers.ts';

const isGiven = loadContainersConfig().LONGSHORE_TEST_SERVERS_FILE !== undefined;
const canRun = isGiven || (await findEngineFault()) === undefined;

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/containers/*.test.ts'],
    globalSetup: ['test/containers/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Fits no name: hooks of a file whose tests are all skipped do not run either, so no fleet is started.
    ...(canRun ? {} : { testNamePattern: /$^/ }),
  },
});
