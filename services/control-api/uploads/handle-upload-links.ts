/**
 * Upload links: a desk has somebody without a key send one file to a tenant's routes. `POST /api/v1/upload-links` makes a link; `/upload` is
 * the page behind it, and `PUT /upload/{name}` takes the file.
 *
 * 1. A link is for one file, in one directory of one tenant, for some hours. Its token is in the fragment, so that it is in no log, and is
 *    stored hashed. Opening the page uses nothing up; a file that arrived whole does.
 * 2. Who made the link and why is in the audit, with the file that came by it: it is `link:<who>` that uploaded.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import { recordEvents } from '#shared/jobs/record-events.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { reasonField, tenantField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { createBodyRoom } from './body-room.ts';
import { MOST_BODY_BYTES } from './handle-sent-files.ts';
import { directoryField, type UploadParts } from './handle-uploads.ts';
import { receiveFile, tooLarge } from './receive-file.ts';
import { closeAfterAnswer, readBody } from './request-body.ts';
import { UPLOAD_PAGE, UPLOAD_PAGE_HEADERS, UPLOAD_SCRIPT } from './upload-page.ts';
import { tenantOf, uploadTarget } from './upload-target.ts';

const bodySchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  path: directoryField,
  reason: reasonField,
  hours: z.number().int().min(1).max(168).default(24).describe('For which the link is valid.'),
});

const replySchema = z.object({
  link_id: z.string(),
  url: z.string().describe('Shown only once.'),
  expires_at: z.string(),
});

export const UPLOAD_LINK_HEADER = 'x-upload-link';

interface UploadLink {
  readonly id: string;
  readonly tenantId: string;
  readonly directory: string;
  readonly reason: string;
  readonly createdBy: string;
}

export interface UploadLinkParts extends UploadParts {
  /** As people reach the API. */
  readonly publicUrl: string | undefined;
}

export interface NewUploadLink {
  readonly tenantId: string;
  readonly directory: string;
  readonly reason: string;
  readonly hours: number;
  readonly actor: string;
}

export async function handleUploadLinks(server: ApiServer, parts: UploadLinkParts): Promise<void> {
  const { sql, landing, publicUrl = '' } = parts;
  const room = createBodyRoom();

  server.post(
    '/api/v1/upload-links',
    {
      schema: {
        summary: 'Make a link by which somebody without a key sends one file to a tenant’s routes',
        tags: ['uploads'],
        body: bodySchema,
        response: { 201: replySchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'uploads:invite');
      const { body } = request;
      const tenantId = tenantOf(caller, body.tenant);
      // Any name will do: what is looked at is the directory.
      const { path } = await uploadTarget(landing.directory, tenantId, `${body.path}/x`);
      const link = await createUploadLink(sql, {
        tenantId,
        directory: path.slice(0, -1),
        reason: body.reason,
        hours: body.hours,
        actor: actorOf(caller),
      });
      return await reply
        .code(201)
        .send({ link_id: link.id, url: linkUrl(publicUrl, link.token), expires_at: link.expiresAt.toISOString() });
    },
  );

  const page = (path: string, type: string, text: string) =>
    server.get(path, { schema: { hide: true }, config: { isPublic: true } }, (_request, reply) =>
      reply.headers(UPLOAD_PAGE_HEADERS).type(`${type}; charset=utf-8`).send(text),
    );
  page('/upload', 'text/html', UPLOAD_PAGE);
  page('/upload.js', 'text/javascript', UPLOAD_SCRIPT);

  await server.register(async (app: ApiServer) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
    app.put(
      '/upload/*',
      { schema: { hide: true }, config: { isPublic: true, takesFile: true } },
      async (request: FastifyRequest, reply: FastifyReply) => {
        try {
          const link = await findUploadLink(sql, request.headers[UPLOAD_LINK_HEADER]);
          if (link === undefined)
            throw new LongshoreError('UPLOAD_LINK_INVALID', 'This link is not valid, or it has expired.');
          const name = nameOf(request);
          const target = await uploadTarget(landing.directory, link.tenantId, `${link.directory}${name}`);
          const length = request.headers['content-length'];
          const sizeBytes = length === undefined ? undefined : Number(length);
          if (sizeBytes !== undefined && !(sizeBytes <= MOST_BODY_BYTES)) throw tooLarge(MOST_BODY_BYTES);
          const { upload } = await room.run(link.tenantId, () =>
            receiveFile(parts, {
              target,
              body: readBody(request, reply, landing.stallMs),
              sizeBytes,
              mostBytes: MOST_BODY_BYTES,
              digests: [],
              contentType: undefined,
              source: 'link',
              uploadedBy: `link:${link.createdBy}`,
              actor: `link:${link.id}`,
              once: { linkId: link.id },
              reason: link.reason,
              signal: request.ended,
            }),
          );
          return await reply.code(201).send({ name, size: upload.sizeBytes, file_id: upload.fileId });
        } finally {
          closeAfterAnswer(request, reply);
        }
      },
    );
  });
}

function nameOf({ raw }: FastifyRequest): string {
  const text = ((raw.url ?? '').split('?')[0] ?? '').slice('/upload/'.length);
  let name: string;
  try {
    name = decodeURIComponent(text);
  } catch {
    throw new LongshoreError('REQUEST_INVALID', 'The path is not a well-formed URL path: check its percent-encoding.');
  }
  if (name === '' || name.includes('/'))
    throw new LongshoreError('NAME_REJECTED', 'The file cannot be taken under this name: it has no name of its own.');
  return name;
}

export function linkUrl(publicUrl: string, token: string): string {
  return `${publicUrl.replace(/\/+$/, '')}/upload#${token}`;
}

/** Event: `upload-link.created`. */
export async function createUploadLink(
  sql: Sql,
  { tenantId, directory, reason, hours, actor }: NewUploadLink,
): Promise<{ readonly id: string; readonly token: string; readonly expiresAt: Date }> {
  const token = randomBytes(32).toString('base64url');
  const [row] = await sql<{ id: string; expiresAt: Date }[]>`
    WITH created AS (
      INSERT INTO upload_links (id, tenant_id, token_hash, directory, reason, created_by, expires_at)
      VALUES (uuid_v7(), ${tenantId}, ${hashOf(token)}, ${directory}, ${reason}, ${actor}, now() + ${hours}::int * interval '1 hour')
      RETURNING *),
    event AS (
      SELECT 'upload-link.created' AS type, tenant_id, NULL::uuid AS file_id, NULL::uuid AS job_id,
        jsonb_build_object('linkId', id, 'directory', directory, 'reason', reason, 'expiresAt', expires_at) AS detail,
        '{events}'::text[] AS topics
      FROM created),
    ${recordEvents(sql, actor)}
    SELECT id, expires_at AS "expiresAt" FROM created`;
  if (row === undefined) throw new Error('INSERT INTO upload_links returned no row');
  return { ...row, token };
}

async function findUploadLink(sql: Sql, token: string | string[] | undefined): Promise<UploadLink | undefined> {
  if (typeof token !== 'string' || !/^[\w-]{43}$/.test(token)) return undefined;
  const [link] = await sql<UploadLink[]>`
    SELECT id, tenant_id AS "tenantId", directory, reason, created_by AS "createdBy" FROM upload_links
    WHERE token_hash = ${hashOf(token)} AND expires_at > now()`;
  return link;
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
