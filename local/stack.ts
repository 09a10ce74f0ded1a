/**
 * The whole fleet on one machine, as a library: what `npm start` runs, and what end-to-end tests and benchmarks start.
 *
 * 1. Everything starts in the order of `PROCESS_NAMES`, each part only when the one before it is healthy; the services,
 *    which know nothing of each other, start side by side. Stopping goes the other way round.
 * 2. A start that fails stops what it had started before it throws.
 * 3. All state is in the home; a second start of the same home finds it as it was.
 */
import type { Endpoints } from '#local/launcher/endpoints.ts';
import type { ProcessName, ServiceName } from '#local/launcher/processes.ts';

export interface StartStackOptions {
  /** Holds all data, keys and logs; made when absent. Two homes run side by side. */
  readonly home: string;
  /** `free` lets the system choose every port. */
  readonly portBase: number | 'free';
  /** Services to start; all when absent. */
  readonly services?: readonly ServiceName[];
  /** Variables for one process, or for `all`, over those that the stack gives. */
  readonly env?: Readonly<Partial<Record<ProcessName | 'all', Readonly<Record<string, string>>>>>;
  /** Loads `examples/` and sends its sample files through the front door, when the home is new. */
  readonly withExamples?: boolean;
  /** For data that are thrown away: commits are answered before they are on disk. Processes may still be killed. */
  readonly isDisposable?: boolean;
  /** Receives the lines that `npm start` prints. */
  readonly print?: (line: string) => void;
}

export interface StackProcess {
  /** Of the process that runs and is ready; undefined while it is being started again. */
  readonly pid: number | undefined;
  /** How often it was started again after it had died. */
  readonly restarts: number;
  kill(signal: NodeJS.Signals): void;
}

export interface Stack {
  readonly endpoints: Endpoints;
  /** What every service is given (database, AWS endpoints and credentials, prefix), for clients of one's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly processes: Readonly<Record<string, StackProcess>>;
  /** In reverse order, bounded, idempotent. */
  stop(): Promise<void>;
}

/** @throws LongshoreError `HOME_IN_USE`, `PORT_IN_USE`, `POSTGRES_*` or `CHILD_NOT_READY` */
export async function startStack(_options: StartStackOptions): Promise<Stack> {
  throw new Error('not there yet');
}
