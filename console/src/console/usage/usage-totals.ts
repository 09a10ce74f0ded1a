/** The usage of several days, added up by tenant; who used most files comes first. */
import type { UsageOfDay } from '#shared/api/usage.ts';

export type UsageTotal = Omit<UsageOfDay, 'day'>;

export function totalsOf(days: readonly UsageOfDay[]): UsageTotal[] {
  const totals = new Map<string, UsageTotal>();
  for (const { day: _, ...row } of days) {
    const before = totals.get(row.tenant);
    totals.set(row.tenant, before === undefined ? row : sum(before, row));
  }
  return [...totals.values()].sort((a, b) => b.files - a.files || a.tenant.localeCompare(b.tenant));
}

function sum(a: UsageTotal, b: UsageTotal): UsageTotal {
  return {
    tenant: a.tenant,
    files: a.files + b.files,
    bytes: a.bytes + b.bytes,
    records: a.records + b.records,
    mails: a.mails + b.mails,
    calls: a.calls + b.calls,
  };
}
