/** The key that names a record for good: a row that is sent again, corrected, has the same one. */
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import type { RecordValue, RecordValues } from './record-item.ts';

/** Null when the layout has no business key. Values are kept apart, so that `a|b`, `c` is not `a`, `b|c`. */
export function businessKeyOf(
  values: RecordValues,
  layout: Pick<RecordsLayout, 'businessKey'> & Partial<Pick<RecordsLayout, 'columns'>>,
): string | null {
  if (layout.businessKey === undefined) return null;
  const folded = foldedColumns(layout.columns ?? []);
  const key = layout.businessKey.map((name) => {
    const value = values[name] ?? null;
    return typeof value === 'string' && folded.has(name) ? value.toLowerCase() : value;
  });
  return JSON.stringify(key);
}

const foldedOf = new WeakMap<RecordsLayout['columns'], ReadonlySet<string>>();

/** Addresses that differ in case are one recipient's. */
function foldedColumns(columns: RecordsLayout['columns']): ReadonlySet<string> {
  let folded = foldedOf.get(columns);
  if (folded === undefined) {
    folded = new Set(columns.filter(({ type }) => type === 'email').map(({ name }) => name));
    foldedOf.set(columns, folded);
  }
  return folded;
}

/** As people write it: the value itself when the key is of one column. */
export function shownBusinessKey(businessKey: string): string {
  const values = JSON.parse(businessKey) as RecordValue[];
  return values.length === 1 ? String(values[0] ?? '') : businessKey;
}
