/**
 * `/api/v1/uploads`: files in parts, put into landing by presigned URLs, resumable for a day.
 *
 * 1. Name, size and tenant are checked before the store hears of the upload; a disabled tenant's goes no further at any of its steps.
 * 2. An upload is its tenant's: to others it is not there.
 */
import { randomUUIDv7 } from 'node:crypto';
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import {
  crc64Field,
  MOST_UPLOAD_BYTES,
  MOST_URLS,
  partUrlSchema,
  type Upload,
  uploadSchema,
  uploadStateSchema,
} from '#shared/api/uploads.ts';
import { LongshoreError } from '#shared/errors.ts';
import { choosePartBytes } from '#shared/files/copies/plan-parts.ts';
import { UPLOAD_METADATA } from '#shared/uploads/upload-metadata.ts';
import {
  abortUploadRow,
  createUpload,
  findUpload,
  findUploadOf,
  noteStoreUpload,
  takeUpload,
  type UploadRow,
} from '#shared/uploads/uploads.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idParams, tenantField } from '../http/request-fields.ts';
import { callerWith } from '../http/request-guard.ts';
import { completeUpload, missingParts, plannedParts } from './complete-upload.ts';
import { idempotencyHeader, onceOf } from './idempotency-key.ts';
import type { LandingAccess } from './landing-access.ts';
import { sourceOf } from './upload-source.ts';
import { tenantOf, uploadTarget } from './upload-target.ts';

const LONGEST_PATH = 1_024;

export const directoryField = z.string().max(LONGEST_PATH).default('').describe('Directory in the tenant’s home.');
export const nameField = z
  .string()
  .min(1)
  .max(LONGEST_PATH)
  .refine((name) => !name.includes('/'), { error: 'has a "/": the directory goes into path' })
  .describe('Of the file, without its directory.');
export const sizeField = z.number().int().min(0).max(MOST_UPLOAD_BYTES).describe('Bytes.');
export const typeField = z
  .string()
  .max(255)
  .regex(/^[\w.+-]+\/[\w.+-]+(?:; ?[\w-]+=[\w.+-]+)*$/, 'is not a media type')
  .optional()
  .describe('Media type.');

const createSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  path: directoryField,
  name: nameField,
  size: sizeField,
  type: typeField,
  checksum_mode: z
    .enum(['crc64nvme', 'none'])
    .default('crc64nvme')
    .describe('crc64nvme: the CRC64NVME of the whole file is given when it is completed, and compared by the store.'),
});

const urlsSchema = z.strictObject({
  parts: z
    .array(z.strictObject({ part: z.number().int().min(1).max(10_000), crc64nvme: crc64Field.optional() }))
    .min(1)
    .max(MOST_URLS),
});

const completeSchema = z.strictObject({ crc64nvme: crc64Field.optional() }).nullish();

export interface UploadParts extends Pick<ApiParts, 'sql'> {
  readonly landing: LandingAccess;
}

export function handleUploads(app: ApiServer, { sql, landing }: UploadParts): void {
  async function findOrRefuse(tenantId: string | null, id: string): Promise<UploadRow> {
    const upload = await findUpload(sql, { id, tenantId });
    if (upload === undefined) throw new LongshoreError('NOT_FOUND', 'Upload not found');
    return upload;
  }

  async function describe(upload: UploadRow, signal: AbortSignal): Promise<Upload> {
    const { id, tenantId, key, sizeBytes, partBytes, storeUploadId, state } = upload;
    const isOpen = state === 'OPEN' && storeUploadId !== null && sizeBytes !== null && partBytes !== null;
    const planned = sizeBytes === null || partBytes === null ? null : plannedParts(sizeBytes, partBytes);
    const stored = isOpen
      ? await landing.sent.parts({ bucket: upload.bucket, key, uploadId: storeUploadId }, { signal })
      : 'gone';
    return {
      upload_id: id,
      state: uploadStateSchema.parse(state.toLowerCase()),
      tenant: tenantId,
      path: key.slice(tenantId.length + 1),
      size: sizeBytes,
      part_size: partBytes,
      parts: planned?.length ?? null,
      missing: stored === 'gone' || planned === null ? null : missingParts(planned, stored),
      expires_at: upload.expiresAt.toISOString(),
      file_id: upload.fileId,
      file_status: upload.fileStatus,
      code: upload.errorCode,
    };
  }

  app.post(
    '/api/v1/uploads',
    {
      schema: {
        summary: 'Begin to send a file in parts; name and size are checked',
        tags: ['uploads'],
        headers: idempotencyHeader,
        body: createSchema,
        response: { 201: uploadSchema, ...errorReplies },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'files:upload');
      const { body } = request;
      const { tenantId, key } = await uploadTarget(
        landing.directory,
        tenantOf(caller, body.tenant),
        `${body.path}/${body.name}`,
      );
      const once = onceOf(request, ['parts', key, body.size, body.checksum_mode]);
      const created = await createUpload(sql, {
        id: randomUUIDv7(),
        tenantId,
        bucket: landing.bucket,
        key,
        sizeBytes: body.size,
        contentType: body.type,
        source: sourceOf(caller),
        uploadedBy: caller.label,
        actor: actorOf(caller),
        partBytes: choosePartBytes(body.size, landing.partBytes),
        isChecked: body.checksum_mode === 'crc64nvme',
        ...once,
        isHeld: false,
      });
      const upload = created ?? (await findAgain(tenantId, once));
      if (upload.storeUploadId !== null) return await reply.code(201).send(await describe(upload, request.ended));
      const { uploadId } = await landing.sent.begin({
        target: { bucket: landing.bucket, key },
        metadata: { [UPLOAD_METADATA]: upload.id },
        contentType: body.type,
        signal: request.ended,
      });
      // Another request with the key may have been first; then its upload counts.
      if (!(await noteStoreUpload(sql, upload, uploadId)))
        await landing.sent.abort({ bucket: landing.bucket, key, uploadId }, { signal: request.ended });
      return await reply.code(201).send(await describe(await findOrRefuse(tenantId, upload.id), request.ended));
    },
  );

  /** Of an Idempotency-Key: the upload continues; one that has ended without a file begins again. */
  async function findAgain(tenantId: string, once: ReturnType<typeof onceOf>): Promise<UploadRow> {
    const known = once && (await findUploadOf(sql, { tenantId, ...once }));
    if (known === undefined) throw new LongshoreError('UPLOAD_IN_PROGRESS', 'Another request uses this key.');
    if (known.requestHash !== once?.requestHash)
      throw new LongshoreError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used for another file.');
    if (known.state !== 'ABORTED') return known;
    const epoch = await takeUpload(sql, { id: known.id, sizeBytes: known.sizeBytes });
    if (epoch === undefined) throw new LongshoreError('UPLOAD_IN_PROGRESS', 'Another request uses this key.');
    return { ...known, epoch, state: 'OPEN', storeUploadId: null, errorCode: null };
  }

  app.get(
    '/api/v1/uploads/:id',
    {
      schema: {
        summary: 'One upload, with the parts that are missing',
        tags: ['uploads'],
        params: idParams,
        response: { 200: uploadSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenantId } = callerWith(request, 'files:upload');
      return await describe(await findOrRefuse(tenantId, request.params.id), request.ended);
    },
  );

  app.post(
    '/api/v1/uploads/:id/urls',
    {
      schema: {
        summary: 'URLs to put parts by, each for one part and 15 minutes',
        tags: ['uploads'],
        params: idParams,
        body: urlsSchema,
        response: { 200: z.object({ urls: z.array(partUrlSchema) }), ...errorReplies },
      },
    },
    async (request) => {
      const { tenantId } = callerWith(request, 'files:upload');
      const upload = await findOrRefuse(tenantId, request.params.id);
      const { bucket, key, storeUploadId, sizeBytes, partBytes } = upload;
      if (upload.state !== 'OPEN' || upload.isExpired) throw ended();
      if (storeUploadId === null || sizeBytes === null || partBytes === null)
        throw new LongshoreError('REQUEST_INVALID', 'The file is not sent in parts.');
      await refuseDisabled(upload);
      const planned = new Map(plannedParts(sizeBytes, partBytes).map((part) => [part.number, part]));
      const urls = request.body.parts.map(async ({ part: number, crc64nvme }) => {
        const part = planned.get(number);
        if (part === undefined)
          throw new LongshoreError('REQUEST_INVALID', `parts: the upload has ${planned.size} parts, and no ${number}`);
        const size = part.last - part.first + 1;
        const presigned = await landing.sent.presignPart({
          upload: { bucket, key, uploadId: storeUploadId },
          number,
          sizeBytes: size,
          crc64nvme,
        });
        return { part: number, size, ...presigned };
      });
      return { urls: await Promise.all(urls) };
    },
  );

  app.post(
    '/api/v1/uploads/:id/complete',
    {
      schema: {
        summary: 'Make the file out of its parts; may be repeated',
        tags: ['uploads'],
        params: idParams,
        body: completeSchema,
        response: { 200: uploadSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'files:upload');
      const upload = await findOrRefuse(caller.tenantId, request.params.id);
      if (upload.state !== 'COMPLETED') await refuseDisabled(upload);
      const completed = await completeUpload(
        { sql, landing },
        { upload, crc64nvme: request.body?.crc64nvme, actor: actorOf(caller), signal: request.ended },
      );
      return await describe(completed, request.ended);
    },
  );

  app.delete(
    '/api/v1/uploads/:id',
    {
      schema: {
        summary: 'Abort an upload; its parts are removed',
        tags: ['uploads'],
        params: idParams,
        response: { 200: uploadSchema, ...errorReplies },
      },
    },
    async (request) => {
      const caller = callerWith(request, 'files:upload');
      const upload = await findOrRefuse(caller.tenantId, request.params.id);
      if (upload.isHeld) throw new LongshoreError('UPLOAD_IN_PROGRESS', 'The body of this upload is on its way.');
      const isAborted = await abortUploadRow(sql, { ...upload, code: 'ABORTED', actor: actorOf(caller), isOpen: true });
      if (!isAborted && upload.state !== 'ABORTED')
        throw new LongshoreError('UPLOAD_ENDED', 'The upload is completed; its file is on its way.');
      if (upload.storeUploadId !== null)
        await landing.sent.abort(
          { bucket: upload.bucket, key: upload.key, uploadId: upload.storeUploadId },
          { signal: request.ended },
        );
      return await describe(await findOrRefuse(caller.tenantId, upload.id), request.ended);
    },
  );

  /** @throws LongshoreError `TENANT_DISABLED` */
  async function refuseDisabled({ tenantId, key }: UploadRow): Promise<void> {
    await uploadTarget(landing.directory, tenantId, key.slice(tenantId.length + 1));
  }
}

function ended(): LongshoreError {
  return new LongshoreError('UPLOAD_ENDED', 'The upload has ended, or it has expired.');
}
