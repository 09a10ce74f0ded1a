/**
 * Maps records by JSONata, in a thread of its own: an expression can loop without end, or take any memory.
 *
 * 1. One thread for all files of the process, one batch at a time; it ends when it had nothing to do for a while.
 * 2. A batch has a budget of processor time. What exceeds it, or the thread's memory, ends the thread and fails that file alone.
 */
import { Worker } from 'node:worker_threads';
import pLimit from 'p-limit';
import { FormatFault } from '#shared/formats/format-fault.ts';
import type { JsonataColumns } from './jsonata-columns.ts';
import type { JsonataAnswer, JsonataQuestion } from './jsonata-thread.ts';
import { MappingFault } from './map-record.ts';
import type { RecordTree } from './source-record.ts';

export interface BatchMapping {
  readonly columns: readonly string[];
  /** One result for each record, in the same order. @throws FormatFault when the batch takes too much. */
  mapAll(records: readonly RecordTree[]): Promise<readonly (RecordTree | MappingFault)[]>;
}

export interface JsonataMapperOptions {
  /** Of the processor, for one batch. */
  readonly cpuMs?: number;
}

const HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 };
const CPU_MS = 5_000;
/** How often the time it used is looked at. */
const LOOK_MS = 250;
const IDLE_MS = 5_000;

export function createJsonataMapper({ cpuMs = CPU_MS }: JsonataMapperOptions = {}) {
  const line = pLimit(1);
  let thread: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;

  function start(): Worker {
    const started = new Worker(new URL('./jsonata-thread.ts', import.meta.url), { resourceLimits: HEAP });
    const forget = () => {
      if (thread === started) thread = undefined;
    };
    // Without a listener one that fails while nobody waits would end the process.
    return started.on('error', forget).on('exit', forget);
  }

  async function ask(question: JsonataQuestion, signal: AbortSignal): Promise<JsonataAnswer> {
    signal.throwIfAborted();
    clearTimeout(idle);
    thread ??= start();
    const asked = thread;
    asked.ref();
    const usedMs = await usedBy(asked);
    const { promise, resolve } = Promise.withResolvers<JsonataAnswer>();
    const end = () => void asked.terminate();
    const ended = () => resolve(undefined);
    const looking = setInterval(
      () => void usedBy(asked).then((nowMs) => nowMs - usedMs > cpuMs && end(), ended),
      LOOK_MS,
    );
    signal.addEventListener('abort', end, { once: true });
    asked.once('message', resolve).once('exit', ended);
    asked.postMessage(question);
    try {
      return await promise;
    } finally {
      clearInterval(looking);
      signal.removeEventListener('abort', end);
      asked.off('message', resolve).off('exit', ended).unref();
      idle = setTimeout(() => void asked.terminate(), IDLE_MS).unref();
    }
  }

  return {
    mapping: (columns: JsonataColumns, signal: AbortSignal): BatchMapping => ({
      columns: Object.keys(columns),
      async mapAll(records) {
        if (records.length === 0) return [];
        const answer = await line(() => ask({ columns, records: JSON.stringify(records) }, signal));
        signal.throwIfAborted();
        if (answer === undefined)
          throw new FormatFault(
            'CONVERT_MAPPING',
            'The mapping takes too much time or memory, or makes too much text.',
          );
        return answer.map((result) =>
          'json' in result
            ? withAll(columns, JSON.parse(result.json))
            : new MappingFault(`JSONata says ${result.code} of it`),
        );
      },
    }),
  };
}

/** A thread that has just begun, or ended, has used nothing. */
async function usedBy(thread: Worker): Promise<number> {
  try {
    const { user, system } = await thread.cpuUsage();
    return (user + system) / 1_000;
  } catch {
    return 0;
  }
}

/** What an expression gives nothing for is null, as in the other language. */
function withAll(columns: JsonataColumns, record: Readonly<Record<string, unknown>>): RecordTree {
  return Object.fromEntries(Object.keys(columns).map((column) => [column, record[column] ?? null]));
}
