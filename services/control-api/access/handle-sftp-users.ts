/** SFTP users and their keys. Whatever is changed takes effect within a minute, also for open sessions. */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import {
  addSftpKey,
  createSftpUser,
  findSftpLogin,
  fingerprintOf,
  keyOfLine,
  revokeSftpKey,
} from '#shared/access/sftp-users.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { UNASSIGNED_TENANT } from '#shared/db/schema.ts';
import { sshPublicKeySchema } from '#shared/definitions/ssh-public-key.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { instantField, plainTextField, reasonField, tenantField, textField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import { scopeOf } from '../http/tenant-scope.ts';

const sftpUserSchema = z.object({
  username: z.string(),
  tenant: z.string(),
  keys: z.number().describe('Number of public keys that are not revoked.'),
  created_at: z.string(),
  disabled_at: z.string().nullable().describe('When an operator disabled it.'),
  removed_at: z.string().nullable().describe('When it was removed from the tenant’s file.'),
});

const keySchema = z.object({
  fingerprint: z.string().describe('As `ssh-keygen -l` prints it.'),
  type: z.string(),
  label: z.string(),
  source: z.enum(['file', 'api']).describe('The tenant’s file, or added here.'),
  valid_from: z.string().nullable(),
  valid_until: z.string().nullable(),
  revoked_at: z.string().nullable(),
  active: z.boolean().describe('It may log in now.'),
});
const detailSchema = sftpUserSchema
  .omit({ keys: true })
  .extend({ home: z.string().describe('Prefix in the landing bucket.'), keys: z.array(keySchema) })
  .meta({ id: 'SftpUser' });

const userParams = z.object({ username: textField(100) });
const usernameField = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_@.-]{2,99}$/, 'must be 3 to 100 letters, digits, "_", "-", "@" and "."');
const newKeySchema = z
  .strictObject({
    public_key: sshPublicKeySchema,
    label: plainTextField(100),
    valid_from: instantField.optional(),
    valid_until: instantField.optional(),
    reason: reasonField,
  })
  .refine(({ valid_from: from, valid_until: until }) => from === undefined || until === undefined || from < until, {
    error: 'must be after valid_from',
    path: ['valid_until'],
  });

/** A fleet has hundreds, not more. */
const MOST_USERS = 10_000;

export function handleSftpUsers(app: ApiServer, { sql }: ApiParts): void {
  app.get(
    '/api/v1/sftp-users',
    {
      schema: {
        summary: 'SFTP users',
        tags: ['access'],
        querystring: z.strictObject({ tenant: tenantField.optional() }),
        response: { 200: z.object({ sftp_users: z.array(sftpUserSchema) }), ...errorReplies },
      },
    },
    async (request) => {
      const tenant = scopeOf(callerOf(request), request.query.tenant);
      return { sftp_users: tenant === undefined ? [] : await findUsers(sql, tenant) };
    },
  );

  async function find(username: string, tenantId: string | null): Promise<z.infer<typeof detailSchema>> {
    const found = await findUser(sql, username, tenantId);
    if (found === undefined) throw new LongshoreError('NOT_FOUND', 'SFTP user not found');
    return found;
  }

  app.get(
    '/api/v1/sftp-users/:username',
    {
      schema: {
        summary: 'One SFTP user with its keys',
        tags: ['access'],
        params: userParams,
        response: { 200: detailSchema, ...errorReplies },
      },
    },
    async (request) => await find(request.params.username, callerOf(request).tenantId),
  );

  app.post(
    '/api/v1/sftp-users',
    {
      schema: {
        summary: 'Create an SFTP user that the tenant’s file does not have',
        tags: ['access'],
        body: z.strictObject({ tenant: tenantField, username: usernameField, reason: reasonField }),
        response: { 200: detailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'access:change');
      const { tenant: tenantId, username, reason } = request.body;
      const [tenant] = await sql`SELECT 1 FROM tenants WHERE id = ${tenantId} AND id <> ${UNASSIGNED_TENANT}`;
      if (tenant === undefined) throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      if (!(await createSftpUser(sql, { tenantId, username, reason }, actorOf(caller))))
        throw new LongshoreError('USERNAME_TAKEN', `There is an SFTP user ${username}.`);
      return await find(username, null);
    },
  );

  app.post(
    '/api/v1/sftp-users/:username/keys',
    {
      schema: {
        summary: 'Give an SFTP user a further key, for some time if wanted',
        tags: ['access'],
        params: userParams,
        body: newKeySchema,
        response: { 200: detailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'access:change'));
      const { username } = request.params;
      const { public_key: publicKey, label, valid_from: validFrom, valid_until: validUntil, reason } = request.body;
      const result = await addSftpKey(sql, { username, publicKey, label, validFrom, validUntil, reason }, actor);
      if (result === 'unknown-user') throw new LongshoreError('NOT_FOUND', 'SFTP user not found');
      if (result === 'known')
        throw new LongshoreError('SFTP_KEY_KNOWN', 'The user has this key, or had it until it was revoked.');
      return await find(username, null);
    },
  );

  app.post(
    '/api/v1/sftp-users/:username/keys/revoke',
    {
      schema: {
        summary: 'Revoke one key of an SFTP user; sessions that it opened end within a minute',
        tags: ['access'],
        params: userParams,
        body: z.strictObject({ fingerprint: textField(64), reason: reasonField }),
        response: { 200: detailSchema, ...errorReplies },
      },
    },
    async (request) => {
      const actor = actorOf(callerWith(request, 'access:change'));
      const { username } = request.params;
      const user = await find(username, null);
      const { fingerprint, reason } = request.body;
      if (!user.keys.some((key) => key.fingerprint === fingerprint))
        throw new LongshoreError('NOT_FOUND', 'The user has no such key.');
      await revokeSftpKey(sql, { username, fingerprint, reason }, actor);
      return await find(username, null);
    },
  );
}

interface UserRow {
  readonly username: string;
  readonly tenant: string;
  readonly home: string;
  readonly publicKey: string;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
  readonly removedAt: Date | null;
  readonly keys: readonly KeyRow[];
}

interface KeyRow {
  readonly key: string;
  readonly fingerprint: string;
  readonly label: string;
  readonly isDeclared: boolean;
  readonly validFrom: string | null;
  readonly validUntil: string | null;
  readonly revokedAt: string | null;
}

function selectUsers(sql: Sql, condition: ReturnType<Sql>) {
  return sql<UserRow[]>`
    SELECT u.username, u.tenant_id AS tenant, u.home_prefix AS home, u.public_key AS "publicKey", u.created_at AS "createdAt",
      u.disabled_at AS "disabledAt", u.removed_at AS "removedAt", coalesce((
        SELECT jsonb_agg(jsonb_build_object('key', k.public_key, 'fingerprint', k.fingerprint, 'label', k.label, 'isDeclared', k.is_declared,
          'validFrom', k.valid_from, 'validUntil', k.valid_until, 'revokedAt', k.revoked_at) ORDER BY k.created_at, k.fingerprint)
        FROM sftp_user_keys k WHERE k.username = u.username), '[]') AS keys
    FROM sftp_users u WHERE ${condition} ORDER BY u.tenant_id, u.username LIMIT ${MOST_USERS}`;
}

async function findUsers(sql: Sql, tenant: string | null): Promise<z.infer<typeof sftpUserSchema>[]> {
  const rows = await selectUsers(sql, sql`(${tenant}::text IS NULL OR u.tenant_id = ${tenant})`);
  return rows.map((row) => ({
    ...toUser(row),
    keys: keysOf(row, new Set()).filter((key) => key.revoked_at === null).length,
  }));
}

async function findUser(
  sql: Sql,
  username: string,
  tenantId: string | null,
): Promise<z.infer<typeof detailSchema> | undefined> {
  const [[row], login] = await Promise.all([
    selectUsers(sql, sql`u.username = ${username} AND (${tenantId}::text IS NULL OR u.tenant_id = ${tenantId})`),
    findSftpLogin(sql, username),
  ]);
  if (row === undefined) return undefined;
  return { ...toUser(row), home: row.home, keys: keysOf(row, new Set(login?.publicKeys)) };
}

function toUser({ username, tenant, createdAt, disabledAt, removedAt }: UserRow) {
  return {
    username,
    tenant,
    created_at: createdAt.toISOString(),
    disabled_at: disabledAt?.toISOString() ?? null,
    removed_at: removedAt?.toISOString() ?? null,
  };
}

function keysOf({ publicKey, keys }: UserRow, active: ReadonlySet<string>): z.infer<typeof keySchema>[] {
  const lines = publicKey.split('\n').filter((line) => line !== '');
  const known = new Map(keys.map((row) => [row.key, row]));
  const ofFile = lines.map((line) => ({ line, row: known.get(keyOfLine(line)) }));
  const inFile = new Set(lines.map(keyOfLine));
  // A key that was revoked and left the file is not shown: nobody can log in with it.
  const added = keys.filter((row) => !row.isDeclared && !inFile.has(row.key)).map((row) => ({ line: row.key, row }));
  return [...ofFile, ...added].map(({ line, row }) => ({
    fingerprint: fingerprintOf(line),
    type: line.split(' ')[0] ?? '',
    label: row?.label || line.split(' ').slice(2).join(' '),
    source: inFile.has(keyOfLine(line)) ? 'file' : 'api',
    valid_from: toInstant(row?.validFrom),
    valid_until: toInstant(row?.validUntil),
    revoked_at: toInstant(row?.revokedAt),
    active: active.has(keyOfLine(line)),
  }));
}

function toInstant(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : new Date(text).toISOString();
}
