/** The thread of `parse-definitions.ts`: one body in, what it came to out. */
import { parentPort, workerData } from 'node:worker_threads';
import { type DefinitionsBody, readDefinitions } from './read-definitions.ts';

parentPort?.postMessage(readDefinitions(workerData as DefinitionsBody));
