/**
 * Longshore's state, as Drizzle sees it; an area has a file each. Migrations in `shared/db/migrations/` are generated from here and then given what Drizzle
 * cannot say (partitions, functions); a test compares the two.
 *
 * 1. Rows, not messages, are the truth: every open row has a lease, a standing wake-up or a `next_action_at`.
 * 2. `woken_at`, `wakes` say that a wake-up for the row was sent and how often: the row is the outbox of its wake-ups.
 * 3. `epoch` is raised by every claim; a later write carries it and a stale one changes nothing.
 * 4. `attempts`, `audit_events`, `audit_seals`, `records`, `record_attempts`, `partner_minutes` and `sftp_actions` are partitioned by time and nothing
 *    refers to them: retention drops partitions. Files go row by row, with all that belongs to them, when `expire_at` has come.
 * 5. A record belongs to one chunk, or has a `next_attempt_at`, or its job's operator decides. No index names `records.state`: its
 *    updates then stay within their page.
 */
export * from './schema/access.ts';
export * from './schema/actions.ts';
export * from './schema/audit.ts';
export * from './schema/batches.ts';
export * from './schema/campaigns.ts';
export * from './schema/definitions.ts';
export * from './schema/effects.ts';
export * from './schema/expectations.ts';
export * from './schema/files.ts';
export * from './schema/jobs.ts';
export * from './schema/notices.ts';
export * from './schema/partners.ts';
export * from './schema/proposals.ts';
export * from './schema/pulls.ts';
export * from './schema/records.ts';
export * from './schema/retention.ts';
export * from './schema/sftp.ts';
export * from './schema/tenants.ts';
export * from './schema/texts.ts';
export * from './schema/uploads.ts';
export * from './schema/usage.ts';
