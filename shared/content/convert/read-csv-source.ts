/** Records of a CSV: an object of texts for each row, by the names of its header. */
import { REASON_COLUMN } from '#shared/definitions/routes/record-column-schema.ts';
import { checkCsvHeader } from '#shared/formats/csv/check-csv-header.ts';
import type { CsvDialect } from '#shared/formats/csv/csv-dialect.ts';
import { type CsvItem, readCsvRows } from '#shared/formats/csv/read-csv-rows.ts';
import type { SourceItem, SourceItems } from './source-record.ts';

/** `columns`: of a file without a header. @throws FormatFault */
export async function* readCsvSource(
  bytes: AsyncIterable<Uint8Array>,
  form: CsvDialect & { readonly columns?: readonly string[] | undefined },
): SourceItems {
  let names: readonly string[] | undefined;

  function recordOf({ line, values, text }: Extract<CsvItem, { type: 'row' }>): SourceItem {
    const columns = names ?? [];
    const value = Object.fromEntries(columns.map((name, index) => [name, values[index] ?? '']));
    return { type: 'record', line, value, text: () => text };
  }

  function itemsOf(item: CsvItem): readonly SourceItem[] {
    if (item.type === 'rejected') return [item];
    if (item.type === 'row') return [recordOf(item)];
    const { line, text } = item;
    const fault = checkCsvHeader(form.columns ?? item.names, {
      delimiter: form.delimiter,
      ...(form.columns !== undefined && { columns: item.names.length }),
    });
    if (fault !== undefined) throw fault;
    if (form.columns !== undefined) {
      names = form.columns;
      return [{ type: 'columns', line: 0, names, text: '' }, recordOf({ type: 'row', line, values: item.names, text })];
    }
    names = withoutReasons(item.names);
    return [{ type: 'columns', line, names, text }];
  }

  for await (const items of readCsvRows(bytes, form)) yield items.flatMap(itemsOf);
}

/** A corrected rejects file has one for each time that its rows were rejected. */
function withoutReasons(names: readonly string[]): readonly string[] {
  const last = names.findLastIndex((name) => name !== REASON_COLUMN);
  return names.slice(0, last + 1);
}
