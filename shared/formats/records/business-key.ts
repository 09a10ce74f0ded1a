/** The key that names a record for good: a row that is sent again, corrected, has the same one. */
import type { RecordsLayout } from '#shared/routes/records-schema.ts';
import type { RecordValues } from './record-item.ts';

/** Null when the layout has no business key. Values are kept apart, so that `a|b`, `c` is not `a`, `b|c`. */
export function businessKeyOf(values: RecordValues, layout: Pick<RecordsLayout, 'businessKey'>): string | null {
  if (layout.businessKey === undefined) return null;
  return JSON.stringify(layout.businessKey.map((name) => values[name] ?? null));
}
