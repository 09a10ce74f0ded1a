/** The targets outside that a tenant's steps write to, as this process opens them. */

import { LRUCache } from 'lru-cache';
import type { Scan } from '#shared/content/scan/create-scanner.ts';
import { createDatabaseDirectory } from '#shared/databases/database-directory.ts';
import type { OpenDatabase } from '#shared/databases/open-database.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { type CalendarDocument, calendarDocumentSchema } from '#shared/definitions/calendar-schema.ts';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { type Mail, type MailOutcome, type MailSending, type MailServer, sendMail } from '#shared/notices/send-mail.ts';
import {
  createPartnerDirectory,
  type FoundPartner,
  type PartnerDirectory,
  type PartnerDirectoryOptions,
} from '#shared/partners/partner-directory.ts';
import { createSendMessages, type SendMessages } from '#shared/queue/publish-messages.ts';
import type { RemoteConnection } from '#shared/remotes/remote-connection.ts';
import type { RemoteDirectory, UsedRemote, UsedRemoteFacts, UseOptions } from '#shared/remotes/remote-directory.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { type SecretStore, secretsOfTenant } from '#shared/runtime/secrets/secret-store.ts';

/** By the fleet's own mail server. @throws SecretError */
export type SendMail = (mail: Mail, sending: Pick<MailSending, 'deadlineMs' | 'signal'>) => Promise<MailOutcome>;

export interface StepTargets {
  /** Undefined: the fleet has no mail server. */
  readonly sendMail?: SendMail | undefined;
  /** To the tenant's own queues and topics. @throws SecretError */
  readonly sendMessages?: SendMessages | undefined;
  /** Of the tenant. */
  readonly secrets?: SecretStore | undefined;
  /** Undefined: the fleet has no scanner. */
  readonly scan?: Scan | undefined;
  /** What `find` gave for the same question at most `forMs` ago; asked each time without it. */
  readonly lookUp?: LookUp | undefined;
  findPartner(name: string): Promise<FoundPartner>;
  /** Undefined: the tenant has no such calendar. */
  findCalendar(name: string): Promise<CalendarDocument | undefined>;
  /** Runs `work` over a connection that nobody else uses meanwhile. @throws as `RemoteDirectory.use`. */
  useRemote<Result>(
    name: string,
    work: (connection: RemoteConnection, facts: UsedRemoteFacts) => Promise<Result>,
    options?: UseOptions,
  ): Promise<UsedRemote<Result>>;
  /** Undefined: the tenant has no such database that can be used. */
  useDatabase<Result>(
    name: string,
    work: (database: OpenDatabase) => Promise<Result>,
  ): Promise<{ readonly result: Result } | undefined>;
}

/** What `find` throws is not kept. */
export type LookUp = <Result extends object>(
  question: string,
  forMs: number,
  find: () => Promise<Result>,
) => Promise<Result>;

/** Answers have at most some kilobytes. */
const MOST_ANSWERS = 5_000;

export function createLookUps(): (tenantId: string) => LookUp {
  const answers = new LRUCache<string, object>({ max: MOST_ANSWERS });
  return (tenantId) => async (question, forMs, find) => {
    const key = JSON.stringify([tenantId, question]);
    const known = answers.get(key);
    if (known !== undefined) return known as Awaited<ReturnType<typeof find>>;
    const found = await find();
    if (forMs > 0) answers.set(key, found, { ttl: forMs });
    return found;
  };
}

export interface TargetDirectory {
  of(tenantId: string): StepTargets;
  /** Of all tenants; one for the process, since its limits count there. */
  readonly partners: PartnerDirectory;
  /** After the last use has ended. */
  close(): Promise<void>;
}

export interface TargetDirectoryOptions {
  readonly sql: Sql;
  readonly secrets: SecretStore;
  /** Of partners' APIs and databases. */
  readonly addressGuard: AddressGuard;
  readonly remotes: RemoteDirectory;
  readonly reports?: PartnerDirectoryOptions['reports'];
  readonly mailServer?: MailServer | undefined;
  readonly scan?: Scan | undefined;
  readonly logger: Logger;
}

async function findCalendar(sql: Sql, tenantId: string, name: string): Promise<CalendarDocument | undefined> {
  const [row] = await sql<{ days: unknown }[]>`
    SELECT days FROM calendars WHERE tenant_id = ${tenantId} AND name = ${name} AND removed_at IS NULL`;
  const parsed = calendarDocumentSchema.safeParse(row?.days);
  return parsed.success ? parsed.data : undefined;
}

export function createTargetDirectory(options: TargetDirectoryOptions): TargetDirectory {
  const { remotes, secrets, scan, mailServer: server } = options;
  const send: SendMail | undefined =
    server === undefined ? undefined : (mail, sending) => sendMail(mail, { ...sending, server, secrets });
  const partners = createPartnerDirectory(options);
  const databases = createDatabaseDirectory(options);
  const lookUps = createLookUps();
  return {
    partners,
    of: (tenantId) => ({
      sendMail: send,
      scan,
      secrets: secretsOfTenant(secrets, tenantId),
      lookUp: lookUps(tenantId),
      sendMessages: createSendMessages(secretsOfTenant(secrets, tenantId), options.addressGuard),
      findPartner: (name) => partners.find(tenantId, name),
      findCalendar: (name) => findCalendar(options.sql, tenantId, name),
      useRemote: (name, work, use) => remotes.use({ tenantId, name }, work, use),
      useDatabase: (name, work) => databases.use({ tenantId, name }, work),
    }),
    async close() {
      partners.close();
      databases.close();
      await remotes.close();
    },
  };
}
