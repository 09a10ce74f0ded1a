/** Tenants and their SFTP users. */
import type { Lane } from '#shared/definitions/lanes.ts';
import { pg } from '../drizzle.ts';
import { createdAt, instant } from './columns.ts';

const { boolean, integer, jsonb, pgTable, primaryKey, text } = pg;

/** The tenant of objects that are under no tenant's prefix; they are quarantined, not lost. */
export const UNASSIGNED_TENANT = 'unassigned';

export const tenants = pgTable('tenants', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  timeZone: text('time_zone').notNull().default('UTC'),
  homeRegion: text('home_region'),
  /** Of its routes that say none. */
  priority: text('priority').$type<Lane>().notNull().default('standard'),
  ignoreGlobs: text('ignore_globs').array().notNull(),
  /** How its people sign in; null: by mail. */
  signIn: jsonb('sign_in'),
  /** What its people see of it in the portal: name, colour, logo. */
  portal: jsonb('portal'),
  /** `{files?, objects?}` in milliseconds: for how long finished files are kept. */
  retention: jsonb('retention'),
  /** Raised by each legal hold: a deletion that does not know of it deletes nothing. */
  holdChanges: integer('hold_changes').notNull().default(0),
  createdAt: createdAt(),
  disabledAt: instant('disabled_at'),
});

export const sftpUsers = pgTable('sftp_users', {
  username: text('username').primaryKey(),
  tenantId: text('tenant_id')
    .notNull()
    .references(() => tenants.id),
  /** One or more, a line each. */
  publicKey: text('public_key').notNull(),
  homePrefix: text('home_prefix').notNull(),
  /** In the tenant's file, which is the truth about it; not made by the launcher. */
  isDeclared: boolean('is_declared').notNull().default(true),
  createdAt: createdAt(),
  /** By an operator's decision, which applying the file again does not take back. */
  disabledAt: instant('disabled_at'),
  /** Since when the tenant's file no longer has it. */
  removedAt: instant('removed_at'),
});

/** What is known of a user's keys next to the tenant's file: keys that were added here, and the times and the end of any key. */
export const sftpUserKeys = pgTable(
  'sftp_user_keys',
  {
    username: text('username')
      .notNull()
      .references(() => sftpUsers.username),
    /** Type and base64, without a comment. */
    publicKey: text('public_key').notNull(),
    /** `SHA256:...`, as `ssh-keygen -l` prints it. */
    fingerprint: text('fingerprint').notNull(),
    label: text('label').notNull(),
    validFrom: instant('valid_from'),
    validUntil: instant('valid_until'),
    /** In the tenant's file, with times; it goes when the file no longer has it. */
    isDeclared: boolean('is_declared').notNull().default(false),
    createdBy: text('created_by').notNull(),
    createdAt: createdAt(),
    revokedAt: instant('revoked_at'),
  },
  (table) => [primaryKey({ columns: [table.username, table.fingerprint] })],
);
