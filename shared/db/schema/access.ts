/** Who may use the API and the console: keys, people, their sessions, and how much they ask. */
import type { Role, SignInWay } from '#shared/access/permissions.ts';
import type { Scope } from '#shared/access/scopes.ts';
import { pg, sql } from '../drizzle.ts';
import { createdAt, instant, oneOf } from './columns.ts';
import { tenants } from './tenants.ts';

const { bigint, check, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } = pg;

export const apiKeys = pgTable('api_keys', {
  id: uuid('id').primaryKey(),
  /** Null for an operator's key, which sees every tenant. */
  tenantId: text('tenant_id').references(() => tenants.id),
  label: text('label').notNull(),
  /** Null, from before there were roles: `defaultRole`. */
  role: text('role').$type<Role>(),
  /** Null: all that the role allows. */
  scopes: text('scopes').array().$type<Scope[]>(),
  /** SHA-256 of the key, hex; keys carry 256 random bits, so a plain hash is enough. */
  keyHash: text('key_hash').notNull().unique(),
  createdAt: createdAt(),
  expiresAt: instant('expires_at'),
  /** To the minute. */
  lastUsedAt: instant('last_used_at'),
  revokedAt: instant('revoked_at'),
});

/** Who signs in to the console and the portal; a person has one role, and one tenant or none. */
export const people = pgTable(
  'people',
  {
    id: uuid('id').primaryKey(),
    /** Null for an operator. */
    tenantId: text('tenant_id').references(() => tenants.id),
    /** Lower case. Names somebody only where the person signs in by mail, and then once in a tenant. */
    email: text('email'),
    name: text('name').notNull(),
    role: text('role').$type<Role>().notNull(),
    /** Of the OIDC provider, or `key` with a key's id as the subject; null: signs in by mail. */
    issuer: text('issuer'),
    subject: text('subject'),
    createdAt: createdAt(),
    lastSignedInAt: instant('last_signed_in_at'),
    disabledAt: instant('disabled_at'),
  },
  (table) => [
    /** With the tenant: several tenants may have the same provider. */
    uniqueIndex('people_identity_of_tenant')
      .on(table.issuer, table.subject, sql`coalesce(${table.tenantId}, '')`)
      .where(sql`${table.issuer} IS NOT NULL`),
    uniqueIndex('people_email').on(table.email, table.tenantId).where(sql`${table.issuer} IS NULL`),
    index('people_tenant').on(table.tenantId, table.id),
    check('people_identity', sql`CASE WHEN issuer IS NULL THEN email IS NOT NULL ELSE subject IS NOT NULL END`),
  ],
);

const SIGN_IN_WAYS: readonly SignInWay[] = ['link', 'oidc', 'mail'];

export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey(),
    /** SHA-256 of the 256 random bits in the cookie, hex. */
    tokenHash: text('token_hash').notNull().unique(),
    personId: uuid('person_id')
      .notNull()
      .references(() => people.id),
    /** At sign-in; a session does not outlive it. */
    role: text('role').$type<Role>().notNull(),
    way: text('way').$type<SignInWay>().notNull(),
    /** Of a link that a key made: the session ends with the key. */
    keyId: uuid('key_id').references(() => apiKeys.id),
    address: text('address').notNull(),
    userAgent: text('user_agent').notNull(),
    createdAt: createdAt(),
    /** When the person last proved who it is. */
    provedAt: instant('proved_at').notNull(),
    /** To the minute. */
    lastSeenAt: instant('last_seen_at').notNull().default(sql`now()`),
    idleSeconds: integer('idle_seconds').notNull(),
    expiresAt: instant('expires_at').notNull(),
    endedAt: instant('ended_at'),
  },
  (table) => [
    index('sessions_person').on(table.personId, table.id),
    index('sessions_expires').on(table.expiresAt),
    check('sessions_way', oneOf('way', SIGN_IN_WAYS)),
  ],
);

/** Sign-ins under way: each row is used once, and deleted some time after it expired. */
export const signIns = pgTable(
  'sign_ins',
  {
    id: uuid('id').primaryKey(),
    way: text('way').$type<SignInWay>().notNull(),
    /** SHA-256 of the token of a link or a mail, or of the state of OIDC, hex. */
    tokenHash: text('token_hash').notNull().unique(),
    /** SHA-256 of what the asking browser has in a cookie, hex. */
    browserHash: text('browser_hash'),
    /** SHA-256 of token and six-digit code, hex; for another browser than the asking one. */
    codeHash: text('code_hash'),
    codeTries: integer('code_tries').notNull().default(0),
    keyId: uuid('key_id').references(() => apiKeys.id),
    personId: uuid('person_id').references(() => people.id),
    /** With `address`: of the version before, which counted by them. */
    email: text('email'),
    /** Whose provider it is; null for the operators'. */
    tenantId: text('tenant_id').references(() => tenants.id),
    nonce: text('nonce'),
    verifier: text('verifier'),
    returnTo: text('return_to'),
    address: text('address'),
    createdAt: createdAt(),
    expiresAt: instant('expires_at').notNull(),
    usedAt: instant('used_at'),
  },
  (table) => [
    index('sign_ins_expires').on(table.expiresAt),
    index('sign_ins_email').on(table.email, table.createdAt),
    index('sign_ins_address').on(table.address, table.createdAt),
    check('sign_ins_way', oneOf('way', SIGN_IN_WAYS)),
  ],
);

/** Requests of a customer in a window, as each process of the API counted them; unlogged, for it may be lost. */
export const apiRates = pgTable(
  'api_rates',
  {
    /** The window: how many of its length there were since 1970. */
    slot: bigint('slot', { mode: 'number' }).notNull(),
    customer: text('customer').notNull(),
    process: uuid('process').notNull(),
    requests: integer('requests').notNull(),
    /** Up to so many it lets in until it counts again. */
    committed: integer('committed').notNull(),
  },
  (table) => [primaryKey({ columns: [table.slot, table.customer, table.process] })],
);

/** What may be used once, such as a signed request: kept until it could not come again. */
export const usedOnce = pgTable(
  'used_once',
  {
    /** SHA-256, hex. */
    digest: text('digest').primaryKey(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('used_once_expires').on(table.expiresAt)],
);
