/**
 * Files as the body of one request: `PUT /api/v1/files/{path}` (streamed), `POST /api/v1/files` (base64 in JSON, small ones), and
 * `POST /api/v1/files/presigned-url`, by which the store takes the body itself.
 *
 * 1. Name, size, tenant and the room for another body are checked before a byte is taken.
 * 2. The same Idempotency-Key is the same file, and gives the same answer.
 */
import { createHash, randomUUIDv7 } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { actorOf, type Caller } from '#shared/access/permissions.ts';
import { MOST_UPLOAD_BYTES, type SentFile, sentFileSchema, UPLOAD_URL_SECONDS } from '#shared/api/uploads.ts';
import { RECIPIENTS_PREFIX } from '#shared/campaigns/recipients-prefix.ts';
import { LongshoreError } from '#shared/errors.ts';
import { SINGLE_COPY_LIMIT_BYTES } from '#shared/files/object-store.ts';
import { UPLOAD_METADATA } from '#shared/uploads/upload-metadata.ts';
import { createUpload, findUploadOf } from '#shared/uploads/uploads.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { tenantField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { createBodyRoom } from './body-room.ts';
import { parseContentDigest } from './content-digest.ts';
import { directoryField, nameField, sizeField, typeField, type UploadParts } from './handle-uploads.ts';
import { idempotencyHeader, onceOf } from './idempotency-key.ts';
import { presignedUpload, presignedUploadSchema } from './presigned-upload.ts';
import { type ReceivedFile, receiveFile, tooLarge } from './receive-file.ts';
import { closeAfterAnswer, readBody } from './request-body.ts';
import { sourceOf } from './upload-source.ts';
import { tenantOf, type UploadTarget, uploadTarget } from './upload-target.ts';

/** 10,000 parts of 5 MiB, what is sent of unknown length. */
export const MOST_BODY_BYTES = 10_000 * 5 * 1024 ** 2;
const MOST_JSON_FILE_BYTES = 7_000_000;
/** Base64 of that, and names. */
const JSON_BODY_BYTES = 10 * 1024 ** 2;
const PATH = '/api/v1/files/';
const sha256Field = z.string().regex(/^[0-9a-fA-F]{64}$/, 'is not a SHA-256 in hex');

const jsonFileSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  path: directoryField,
  name: nameField,
  type: typeField,
  contentBase64: z
    .string()
    .max(Math.ceil(MOST_JSON_FILE_BYTES / 3) * 4)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'is not base64'),
  sha256: sha256Field.optional(),
});

const presignSchema = z.union(
  [
    z.strictObject({
      tenant: tenantField.optional().describe('For operators.'),
      path: directoryField,
      name: nameField,
      size: sizeField.max(SINGLE_COPY_LIMIT_BYTES),
      type: typeField,
      sha256: sha256Field.optional(),
    }),
    z.strictObject({
      tenant: tenantField.optional().describe('For operators.'),
      purpose: z
        .literal('campaign')
        .default('campaign')
        .describe('A file of recipients: no route takes it, campaigns name its file_id.'),
      file_name: nameField,
      size: sizeField.max(SINGLE_COPY_LIMIT_BYTES).optional(),
      type: typeField.default('text/csv'),
      sha256: sha256Field.optional().describe('In hex; other bytes are refused.'),
    }),
  ],
  { error: (issue) => unfit(issue.input, 'errors' in issue ? issue.errors : []) },
);

/** The faults of the form that was meant. */
function unfit(body: unknown, faults: unknown): string {
  const isCampaign = typeof body === 'object' && body !== null && ('file_name' in body || 'purpose' in body);
  const meant = (faults as z.core.$ZodIssue[][])[isCampaign ? 1 : 0] ?? [];
  return meant.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`)).join('; ');
}

const presignedSchema = z.object({
  upload_id: z.string(),
  method: z.literal('PUT'),
  url: z.string().describe('For one file of exactly this size, for 15 minutes.'),
  headers: z.record(z.string(), z.string()).describe('To be sent as they are.'),
  expires_in: z.number().describe('Seconds.'),
  file_id: z.string().describe('What campaigns name the file by.'),
  upload: presignedUploadSchema,
});

export async function handleSentFiles(server: ApiServer, parts: UploadParts): Promise<void> {
  const { sql, landing } = parts;
  const room = createBodyRoom();

  // Its own context: here the body stays a stream.
  await server.register(async (app: ApiServer) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
    app.put(
      `${PATH}*`,
      {
        schema: {
          summary: 'Send a file as the body; it is streamed into landing',
          tags: ['uploads'],
          querystring: z.strictObject({ tenant: tenantField.optional().describe('For operators.') }),
          headers: idempotencyHeader,
          response: { 201: sentFileSchema, ...errorReplies },
        },
        config: { takesFile: true },
      },
      async (request, reply) => {
        try {
          const caller = callerWith(request, 'files:upload');
          const tenantId = tenantOf(caller, request.query.tenant);
          const target = await uploadTarget(landing.directory, tenantId, pathOf(request));
          const sizeBytes = declaredSize(request);
          if (sizeBytes !== undefined && sizeBytes > MOST_BODY_BYTES) throw tooLarge(MOST_BODY_BYTES);
          const digestHeader = request.headers['content-digest'];
          const digests = parseContentDigest(digestHeader);
          const received = await room.run(tenantId, () =>
            receiveFile(parts, {
              ...sender(request, caller),
              target,
              body: readBody(request, reply, landing.stallMs),
              sizeBytes,
              mostBytes: MOST_BODY_BYTES,
              digests,
              contentType: mediaTypeOf(request.headers['content-type']),
              once: onceOf(request, ['PUT', target.key, sizeBytes, digestHeader]),
            }),
          );
          const given = digests.find(({ algorithm }) => algorithm === 'sha256')?.value.toString('hex');
          return await reply.code(201).send(toReply(target, received, given));
        } finally {
          closeAfterAnswer(request, reply);
        }
      },
    );
  });

  server.post(
    '/api/v1/files',
    {
      schema: {
        summary: `Send a small file as base64 in JSON, of at most ${MOST_JSON_FILE_BYTES} bytes`,
        tags: ['uploads'],
        headers: idempotencyHeader,
        body: jsonFileSchema,
        response: { 201: sentFileSchema, ...errorReplies },
      },
      bodyLimit: JSON_BODY_BYTES,
    },
    async (request, reply) => {
      const caller = callerWith(request, 'files:upload');
      const { body } = request;
      const tenantId = tenantOf(caller, body.tenant);
      const target = await uploadTarget(landing.directory, tenantId, `${body.path}/${body.name}`);
      const content = fromBase64(body.contentBase64);
      if (content.length > MOST_JSON_FILE_BYTES) throw tooLarge(MOST_JSON_FILE_BYTES);
      const sha256 = createHash('sha256').update(content).digest('hex');
      const received = await room.run(tenantId, () =>
        receiveFile(parts, {
          ...sender(request, caller),
          target,
          body: oneOf(content),
          sizeBytes: content.length,
          mostBytes: MOST_JSON_FILE_BYTES,
          digests: body.sha256 === undefined ? [] : [{ algorithm: 'sha256', value: Buffer.from(body.sha256, 'hex') }],
          contentType: body.type,
          once: onceOf(request, ['POST', target.key, content.length, sha256]),
        }),
      );
      return await reply.code(201).send(toReply(target, received, sha256));
    },
  );

  server.post(
    '/api/v1/files/presigned-url',
    {
      schema: {
        summary: 'A URL by which one file of a stated size is put into landing, for 15 minutes',
        tags: ['uploads'],
        headers: idempotencyHeader,
        body: presignSchema,
        response: { 201: presignedSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'files:upload');
      const { body } = request;
      const tenantId = tenantOf(caller, body.tenant);
      const id = randomUUIDv7();
      const isCampaign = 'purpose' in body;
      // A file of recipients has its own directory, so that none takes another's place.
      const path = isCampaign ? `${RECIPIENTS_PREFIX}${id}/${body.file_name}` : `${body.path}/${body.name}`;
      const { key } = await uploadTarget(landing.directory, tenantId, path);
      const once = onceOf(request, [
        'presigned',
        isCampaign ? body.file_name : key,
        body.size,
        body.type,
        ...(body.sha256 ? [body.sha256] : []),
      ]);
      const created = await createUpload(sql, {
        id,
        tenantId,
        bucket: landing.bucket,
        key,
        sizeBytes: body.size ?? null,
        contentType: body.type,
        source: sourceOf(caller),
        uploadedBy: caller.label,
        actor: actorOf(caller),
        ...once,
        isHeld: false,
      });
      const upload = created ?? (once && (await findUploadOf(sql, { tenantId, ...once })));
      if (upload === undefined) throw new LongshoreError('UPLOAD_IN_PROGRESS', 'Another request uses this key.');
      if (once !== undefined && upload.requestHash !== once.requestHash)
        throw new LongshoreError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used for another file.');
      if (upload.state !== 'OPEN') throw new LongshoreError('UPLOAD_ENDED', 'The file of this key has been sent.');
      const presigned = await landing.sent.presignPut({
        target: { bucket: landing.bucket, key: upload.key },
        metadata: { [UPLOAD_METADATA]: upload.id },
        contentType: body.type,
        sizeBytes: body.size,
        sha256: body.sha256 && Buffer.from(body.sha256, 'hex').toString('base64'),
      });
      const method = 'PUT' as const;
      return await reply.code(201).send({
        ...{ upload_id: upload.id, method, ...presigned, expires_in: UPLOAD_URL_SECONDS },
        ...{ file_id: upload.id, upload: presignedUpload(presigned) },
      });
    },
  );
}

/** Node reads what it can of any text: what it leaves out would be missing from the file. */
function fromBase64(text: string): Buffer {
  const content = Buffer.from(text, 'base64');
  const canonical = content.toString('base64');
  if (text === canonical || text === canonical.replace(/=+$/, '')) return content;
  throw new LongshoreError('REQUEST_INVALID', 'contentBase64: is not base64, or was cut off.');
}

function sender(request: FastifyRequest, caller: Caller) {
  return { source: sourceOf(caller), uploadedBy: caller.label, actor: actorOf(caller), signal: request.ended };
}

/** As it was sent: the router would drop a slash at its end. */
function pathOf({ raw }: FastifyRequest): string {
  const path = (raw.url ?? '').split('?')[0] ?? '';
  try {
    return decodeURIComponent(path.slice(PATH.length));
  } catch {
    throw new LongshoreError('REQUEST_INVALID', 'The path is not a well-formed URL path: check its percent-encoding.');
  }
}

function declaredSize({ headers }: FastifyRequest): number | undefined {
  const length = headers['content-length'];
  if (length === undefined) return headers['transfer-encoding'] === undefined ? 0 : undefined;
  const size = Number(length);
  if (!Number.isSafeInteger(size) || size > MOST_UPLOAD_BYTES) throw tooLarge(MOST_BODY_BYTES);
  return size;
}

/** Kept with the object; what is not a media type is not. */
function mediaTypeOf(header: string | undefined): string | undefined {
  const parsed = typeField.safeParse(header);
  return parsed.success ? parsed.data : undefined;
}

async function* oneOf(content: Buffer): AsyncGenerator<Uint8Array> {
  if (content.length > 0) yield content;
}

/** `given`: the SHA-256 that the sender's bytes have to have; a request that is repeated has the file of the first, which had it. */
function toReply({ tenantId, path }: UploadTarget, { upload, sha256 }: ReceivedFile, given?: string): SentFile {
  return {
    upload_id: upload.id,
    tenant: tenantId,
    path,
    size: upload.sizeBytes ?? 0,
    sha256: sha256 ?? given ?? null,
    file_id: upload.fileId,
    status: upload.fileStatus,
  };
}
