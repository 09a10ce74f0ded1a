/**
 * What a job's route version says of its records: the names of the calls, and which values people may see.
 *
 * 1. Shown is what the layout names and does not mark `sensitive`; whatever else is in a record is masked.
 */
import { z } from 'zod';
import { parseJson } from '#shared/text/parse-json.ts';

export interface RecordRoute {
  /** By `records.step`. */
  readonly callNames: readonly string[];
  readonly shownColumns: ReadonlySet<string>;
  /** The columns that make the business key, in its order. */
  readonly keyColumns: readonly string[];
}

const MASK = '***';

/** Stored definitions can be those of an older version: only what is needed is read. */
const definitionSchema = z.object({
  records: z.object({
    columns: z.array(z.object({ name: z.string(), sensitive: z.boolean().default(false) })),
    businessKey: z.array(z.string()).default([]),
  }),
  steps: z.array(z.record(z.string(), z.unknown())),
});
const callSchema = z.object({ operation: z.string(), name: z.string().optional() });
const keySchema = z.array(z.union([z.string(), z.boolean(), z.null()]));

/** Undefined when the route reads no records. */
export function readRecordRoute(definition: unknown): RecordRoute | undefined {
  const parsed = definitionSchema.safeParse(definition);
  if (!parsed.success) return undefined;
  const { records, steps } = parsed.data;
  return {
    callNames: steps.flatMap((step) => {
      const call = callSchema.safeParse(step.call);
      return call.success ? [call.data.name ?? call.data.operation] : [];
    }),
    shownColumns: new Set(records.columns.flatMap(({ name, sensitive }) => (sensitive ? [] : [name]))),
    keyColumns: records.businessKey,
  };
}

export function maskValues(values: unknown, { shownColumns }: RecordRoute): Record<string, unknown> | null {
  if (typeof values !== 'object' || values === null) return null;
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, shownColumns.has(name) ? value : MASK]),
  );
}

/** As people write it: the value itself when the key is of one column. */
export function maskKey(businessKey: string | null, { shownColumns, keyColumns }: RecordRoute): string | null {
  if (businessKey === null) return null;
  const values = keySchema.safeParse(parseJson(businessKey));
  if (!values.success) return MASK;
  const shown = values.data.map((value, index) => (shownColumns.has(keyColumns[index] ?? '') ? value : MASK));
  return shown.length === 1 ? String(shown[0] ?? '') : JSON.stringify(shown);
}
