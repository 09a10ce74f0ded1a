/** What files are found by besides their names. */
import { pg } from '../drizzle.ts';
import { instant, textSearch } from './columns.ts';
import { tenants } from './tenants.ts';

const { index, pgTable, text, uuid } = pg;

/** Written by the step `index`; goes with its file, and with the file's objects. */
export const fileTexts = pgTable(
  'file_texts',
  {
    fileId: uuid('file_id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.id),
    indexedAt: instant('indexed_at').notNull(),
    /** Words of the file, and `@` with the tenant's id, so that one index finds the words of one tenant. */
    words: textSearch('words').notNull(),
  },
  (table) => [index('file_texts_words').using('gin', table.words)],
);
