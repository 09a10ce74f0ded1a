/**
 * Definitions that callers sent, parsed in a child process with a bound on its time and its memory.
 *
 * 1. The event loop never parses them: however hostile, they cost their own request and nobody else's.
 * 2. A body has its processor time, as on a busy machine good definitions take long too: those are asked for again, and not refused. A child
 *    ends when it is spent, or when nobody waits for the answer.
 * 3. A customer has one child at a time, so that it cannot hold them all; those that wait are bounded by customer and in all.
 */
import { createConfinedProgram } from '#shared/confined/confined-program.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Definitions, DefinitionsBody } from './read-definitions.ts';

export interface DefinitionParserOptions {
  /** Processor time of one body; 5 s when absent. */
  readonly cpuMs?: number;
  /** Of the clock on the wall; 15 s when absent. */
  readonly deadlineMs?: number;
}

export interface DefinitionParser {
  /** @throws LongshoreError `ROUTE_TOO_COMPLEX`, `REQUEST_INVALID`, `RATE_LIMITED` or `OVERLOADED`; the reason of `signal` */
  parse(
    body: DefinitionsBody,
    caller: { readonly customer: string; readonly signal: AbortSignal },
  ): Promise<Exclude<Definitions, { ok: 'no-files' }>>;
}

const MOST_OF_A_CUSTOMER = 4;
const MOST_WAITING = 16;
const CPU_MS = 5_000;
const DEADLINE_MS = 15_000;
/** 4,500 routes in 1 MiB fit. */
const HEAP_MB = 80;

export function createDefinitionParser({
  cpuMs = CPU_MS,
  deadlineMs = DEADLINE_MS,
}: DefinitionParserOptions = {}): DefinitionParser {
  const program = createConfinedProgram<DefinitionsBody, Definitions>({
    program: new URL('./definition-program.ts', import.meta.url),
    heapMb: HEAP_MB,
    cpuMs,
    deadlineMs,
  });
  return {
    async parse(body, caller) {
      if (program.countOf(caller.customer) >= MOST_OF_A_CUSTOMER)
        throw new LongshoreError('RATE_LIMITED', 'Too many definitions of yours wait to be checked.');
      if (program.waiting >= MOST_WAITING)
        throw new LongshoreError('OVERLOADED', 'Too many definitions wait to be checked.');
      const parsed = await program.ask(body, caller);
      if (parsed.type === 'late')
        throw new LongshoreError('OVERLOADED', 'The definitions could not be checked in time.');
      if (parsed.type === 'exhausted')
        throw new LongshoreError(
          'ROUTE_TOO_COMPLEX',
          'The definitions take too much time or memory to check; nothing was applied.',
        );
      const definitions = parsed.answer;
      if (definitions.ok !== 'no-files') return definitions;
      throw new LongshoreError('REQUEST_INVALID', 'The list of files is not as it should be.', {
        details: { in: 'body', faults: definitions.fieldFaults },
      });
    },
  };
}
