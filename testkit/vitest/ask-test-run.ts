/** What is made once for a whole vitest run, at the first question. */
import { inject } from 'vitest';
// Says what vitest provides.
import type {} from './global-setup.ts';

export async function askTestRun<Given extends object>(what: 'database' | 'pages'): Promise<Given> {
  const response = await fetch(new URL(what, inject('testRunBroker')), { method: 'POST' });
  const given = (await response.json()) as Given | { error: string };
  if ('error' in given) throw new Error(`the test run has no ${what}: ${given.error}`);
  return given;
}
