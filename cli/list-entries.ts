/** A list as every command prints it: pages until there are enough entries or no more, a table or JSON, and why one is empty. */
import type { CommandContext } from './command-context.ts';
import { type Cell, formatTable } from './terminal.ts';

const PAGE_SIZE = 200;
/** A search for what is rare continues over pages that found nothing: so many, until the user narrows it. */
const MOST_EMPTY_PAGES = 100;
/** More than a fleet has of what it lists whole. */
export const ALL_ENTRIES = 100_000;

export interface Page {
  readonly limit: number;
  readonly cursor: string | undefined;
}

export interface ListOptions<Entry> {
  readonly most: number;
  readonly readPage: (page: Page) => Promise<{ entries: Entry[]; next: string | null }>;
  readonly headings: readonly string[];
  readonly rowOf: (entry: Entry) => readonly Cell[];
  /** What was looked for, such as `files`, and the filters that may be why there is none. */
  readonly what: string;
  readonly filters?: Filters;
  /** A sentence about where else to look. */
  readonly ifNone?: string;
}

export interface Filters {
  readonly tenant?: string | undefined;
  /** Matched whole, or with `*`. */
  readonly name?: string | undefined;
  readonly others?: readonly unknown[];
}

export async function listEntries<Entry>(context: CommandContext, options: ListOptions<Entry>): Promise<void> {
  const { most, headings, rowOf, what, filters = {} } = options;
  const { entries, hasMore } = await collectPages(most, options.readPage);
  if (context.isJson) return context.terminal.json(entries);
  if (entries.length === 0) {
    await explainEmpty(context, what, filters);
    if (options.ifNone !== undefined) context.terminal.note(options.ifNone);
    return;
  }
  for (const line of formatTable(headings, entries.map(rowOf))) context.terminal.line(line);
  if (hasMore) context.terminal.note('There are more; narrow the filters or raise --limit.');
}

async function collectPages<Entry>(
  most: number,
  readPage: ListOptions<Entry>['readPage'],
): Promise<{ entries: Entry[]; hasMore: boolean }> {
  const collected: Entry[] = [];
  let cursor: string | undefined;
  for (let emptyPages = 0; ; ) {
    const limit = Math.min(PAGE_SIZE, most - collected.length);
    const { entries, next } = await readPage({ limit, cursor });
    collected.push(...entries);
    emptyPages += Number(entries.length === 0);
    if (next === null) return { entries: collected, hasMore: false };
    if (collected.length >= most || emptyPages >= MOST_EMPTY_PAGES) return { entries: collected, hasMore: true };
    cursor = next;
  }
}

/** On standard error: an empty list is a result too. */
export async function explainEmpty(context: CommandContext, what: string, filters: Filters): Promise<void> {
  const { tenant, name, others = [] } = filters;
  const isFiltered = [tenant, name, ...others].some((filter) => filter !== undefined && filter !== false);
  context.terminal.note(isFiltered ? `No ${what} match these filters.` : `There are no ${what}.`);
  if (tenant !== undefined && !(await context.tenants()).some((known) => known.tenant === tenant))
    context.terminal.note(`There is no tenant ${tenant}: see \`longshore tenants\`.`);
  if (name !== undefined && !name.includes('*'))
    context.terminal.note(`A name is matched whole: use * for any run of characters, e.g. --name '*${name}*'.`);
}
