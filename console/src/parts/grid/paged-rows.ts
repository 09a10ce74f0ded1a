/**
 * The rows of several pages as one list. They stay in their pages: at 100,000 rows a copy for each page that comes is what makes the browser
 * stop to collect garbage.
 */
export interface Rows<Row> {
  readonly length: number;
  at(index: number): Row | undefined;
}

export function pagedRows<Row>(pages: readonly (readonly Row[])[]): Rows<Row> {
  const starts: number[] = [];
  let length = 0;
  for (const page of pages) {
    starts.push(length);
    length += page.length;
  }
  return {
    length,
    at(index) {
      if (index < 0 || index >= length) return undefined;
      let [low, high] = [0, pages.length - 1];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if ((starts[middle] ?? 0) <= index) low = middle;
        else high = middle - 1;
      }
      return pages[low]?.[index - (starts[low] ?? 0)];
    },
  };
}

export function idsOf<Row>(rows: Rows<Row>, idOf: (row: Row) => string): string[] {
  return Array.from({ length: rows.length }, (_, index) => rows.at(index)).flatMap((row) =>
    row === undefined ? [] : [idOf(row)],
  );
}
