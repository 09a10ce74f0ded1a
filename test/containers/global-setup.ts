/** Gives every test fleet of a run its outside servers: those of a file, or containers that live as long as the run. */
import type { TestProject } from 'vitest/node';
import { loadContainersConfig, readServersFile } from './config.ts';
import { findEngineFault, startContainers } from './start-containers.ts';

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const config = loadContainersConfig();
  if (config.LONGSHORE_TEST_SERVERS_FILE !== undefined) {
    project.provide('outsideServers', readServersFile(config.LONGSHORE_TEST_SERVERS_FILE));
    return undefined;
  }
  const fault = await findEngineFault();
  if (fault !== undefined) {
    process.stdout.write(
      `\nSkipped: the end-to-end suites against containers need a container engine, and none answers (${fault}).\n\n`,
    );
    return undefined;
  }
  const containers = await startContainers(config);
  project.provide('outsideServers', containers.servers);
  return containers.stop;
}
