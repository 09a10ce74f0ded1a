/** The key that names a record for good: a row that is sent again, corrected, has the same one. */
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import type { RecordValue, RecordValues } from './record-item.ts';

/** Null when the layout has no business key. Values are kept apart, so that `a|b`, `c` is not `a`, `b|c`. */
export function businessKeyOf(values: RecordValues, layout: Pick<RecordsLayout, 'businessKey'>): string | null {
  if (layout.businessKey === undefined) return null;
  return JSON.stringify(layout.businessKey.map((name) => values[name] ?? null));
}

/** As people write it: the value itself when the key is of one column. */
export function shownBusinessKey(businessKey: string): string {
  const values = JSON.parse(businessKey) as RecordValue[];
  return values.length === 1 ? String(values[0] ?? '') : businessKey;
}
