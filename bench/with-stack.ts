/** A fleet for a measurement, in a directory that goes with it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, type StartStackOptions, startStack } from '#local/stack.ts';
import { type FlowBench, openFlow } from './send-files.ts';

export async function withHome<Result>(use: (home: string) => Promise<Result>): Promise<Result> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    return await use(home);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

export async function withStack<Result>(
  options: Pick<StartStackOptions, 'home' | 'services' | 'env' | 'isDisposable'>,
  use: (stack: Stack, bench: FlowBench) => Promise<Result>,
): Promise<Result> {
  const stack = await startStack({ ...options, portBase: 'free' });
  try {
    const bench = await openFlow(stack, '4KB');
    try {
      return await use(stack, bench);
    } finally {
      await bench.close();
    }
  } finally {
    await stack.stop();
  }
}
