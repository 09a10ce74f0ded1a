/** Fleets that run side by side and take floods in turn, so that what else the machine does meets all of them. */
import type { Stack, StartStackOptions } from '#local/stack.ts';
import { eachProcess, round } from './fleet-requests.ts';
import { cpuMs, readHistogram } from './read-metrics.ts';
import { type FlowBench, mean, sendFiles } from './send-files.ts';
import { withStack } from './with-stack.ts';

const DIRECTORIES = 50;
const WARM_UP_FILES = 200;
const CLOCKS = { name: 'longshore_clock_seconds', label: 'clock' };

export interface Measured {
  readonly filesPerSecond: number;
  readonly cpuMsPerFile: Readonly<Record<string, number>>;
  /** That 95 % of the ticks stayed within, by clock. */
  readonly clockMs: Readonly<Record<string, number>>;
}

export function withFleet<Result>(
  home: string,
  use: (fleet: Fleet) => Promise<Result>,
  env: StartStackOptions['env'] = {},
): Promise<Result> {
  return withStack({ home, env }, (stack, bench) => use(new Fleet(stack, bench)));
}

export class Fleet {
  readonly bench: FlowBench;
  readonly #stack: Stack;
  readonly #rates: number[] = [];
  readonly #cpuMs: Record<string, number> = {};
  #files = 0;
  #floods = 0;

  constructor(stack: Stack, bench: FlowBench) {
    this.#stack = stack;
    this.bench = bench;
  }

  async warmUp(): Promise<void> {
    await sendFiles(this.bench, { files: WARM_UP_FILES, directory: 'warm-up', directories: DIRECTORIES });
  }

  async flood(files: number): Promise<void> {
    this.#floods += 1;
    const before = await eachProcess(this.#stack, cpuMs);
    const flow = { files, directory: `flood-${this.#floods}`, directories: DIRECTORIES };
    this.#rates.push((await sendFiles(this.bench, flow)).filesPerSecond);
    const after = await eachProcess(this.#stack, cpuMs);
    this.#files += files;
    for (const [name, ms] of Object.entries(after)) {
      this.#cpuMs[name] = (this.#cpuMs[name] ?? 0) + ms - (before[name] ?? 0);
    }
  }

  readClocks(): ReturnType<typeof readHistogram> {
    return readHistogram(this.#stack.endpoints.metrics['retry-sweeper'] ?? '', CLOCKS);
  }

  measured(clockSeconds: Readonly<Record<string, number>> = {}): Measured {
    const perFile = Object.entries(this.#cpuMs).map(([name, ms]) => [name, round(ms / this.#files)] as const);
    return {
      filesPerSecond: round(mean(this.#rates)),
      cpuMsPerFile: { ...Object.fromEntries(perFile), total: round(perFile.reduce((sum, [, ms]) => sum + ms, 0)) },
      clockMs: Object.fromEntries(Object.entries(clockSeconds).map(([clock, seconds]) => [clock, seconds * 1_000])),
    };
  }
}
