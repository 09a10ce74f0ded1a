/** Maps records by JSONata, in a child process: an expression can loop without end, or take any memory. */
import { createConfinedProgram } from '#shared/confined/confined-program.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import type { JsonataColumns } from './jsonata-columns.ts';
import type { JsonataAnswer, JsonataQuestion } from './jsonata-program.ts';
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

const HEAP_MB = 64;
const CPU_MS = 5_000;

export function createJsonataMapper({ cpuMs = CPU_MS }: JsonataMapperOptions = {}) {
  const program = createConfinedProgram<JsonataQuestion, JsonataAnswer>({
    program: new URL('./jsonata-program.ts', import.meta.url),
    heapMb: HEAP_MB,
    cpuMs,
  });
  return {
    mapping: (
      columns: JsonataColumns,
      asker: { readonly customer: string; readonly signal: AbortSignal },
    ): BatchMapping => ({
      columns: Object.keys(columns),
      async mapAll(records) {
        if (records.length === 0) return [];
        const mapped = await program.ask({ columns, records: JSON.stringify(records) }, asker);
        if (mapped.type !== 'answered' || mapped.answer === undefined)
          throw new FormatFault(
            'CONVERT_MAPPING',
            'The mapping takes too much time or memory, or makes too much text.',
          );
        return mapped.answer.map((result) =>
          'json' in result
            ? withAll(columns, JSON.parse(result.json))
            : new MappingFault(`JSONata says ${result.code} of it`),
        );
      },
    }),
  };
}

/** What an expression gives nothing for is null, as in the other language. */
function withAll(columns: JsonataColumns, record: Readonly<Record<string, unknown>>): RecordTree {
  return Object.fromEntries(Object.keys(columns).map((column) => [column, record[column] ?? null]));
}
