/** What tenants used, by day. */
import { pg } from '../drizzle.ts';

const { bigint, date, index, pgTable, primaryKey, text } = pg;

const count = (name: string) => bigint(name, { mode: 'number' }).notNull().default(0);

/** Added up as it happens (`shared/usage/`), so that a question reads one row per tenant and day. Days are in UTC. */
export const usageDays = pgTable(
  'usage_days',
  {
    day: date('day').notNull(),
    tenantId: text('tenant_id').notNull(),
    files: count('files'),
    bytes: count('bytes'),
    records: count('records'),
    mails: count('mails'),
    calls: count('calls'),
  },
  (table) => [
    primaryKey({ columns: [table.day, table.tenantId] }),
    index('usage_days_tenant').on(table.tenantId, table.day),
  ],
);
