/** A thread of `parse-definitions.ts`: a body in, what it came to out. */
import { parentPort } from 'node:worker_threads';
import { type Definitions, type DefinitionsBody, readDefinitions } from './read-definitions.ts';

export interface ThreadAnswer {
  readonly definitions: Definitions;
  /** Processor time of the thread since its start. */
  readonly usedMs: number;
}

parentPort?.on('message', (body: DefinitionsBody) => {
  const definitions = readDefinitions(body);
  const { user, system } = process.threadCpuUsage();
  parentPort?.postMessage({ definitions, usedMs: (user + system) / 1_000 } satisfies ThreadAnswer);
});
