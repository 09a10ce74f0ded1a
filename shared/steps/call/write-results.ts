/**
 * The results file: what happened to each row, rejected ones too, as a CSV in UTF-8 that is safe to open in a spreadsheet.
 *
 * 1. Rows are in the order of the file; written again from the same records, the bytes are the same.
 */
import { shownBusinessKey } from '#shared/formats/records/business-key.ts';
import { spreadsheetRow } from '#shared/formats/records/write-rejects.ts';
import type { RecordResult, RecordStore } from '../record-store.ts';

const PAGE_ROWS = 5_000;
const COLUMNS = ['line', 'key', 'state', 'code', 'cause', 'message', 'reference'];

/** One piece per page. */
export async function* writeResults(store: Pick<RecordStore, 'results'>): AsyncGenerator<Buffer> {
  yield Buffer.from(spreadsheetRow(COLUMNS));
  let afterLine = 0;
  for (;;) {
    const page = await store.results(afterLine, PAGE_ROWS);
    if (page.length > 0) yield Buffer.from(page.map(resultRow).join(''));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    afterLine = last.line;
  }
}

function resultRow({ line, businessKey, state, code, cause, message, reference }: RecordResult): string {
  const key = businessKey === null ? null : shownBusinessKey(businessKey);
  return spreadsheetRow([line, key, state, code, cause, message, reference]);
}
