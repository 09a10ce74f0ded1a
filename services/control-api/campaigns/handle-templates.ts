/**
 * `/api/v1/templates`: mail templates, uploaded by presigned URL, checked when they are first asked for, and never changed after.
 *
 * Whoever asks sees the upload: the object is looked for then, and no event of the store is needed.
 */
import { z } from 'zod';
import { actorOf } from '#shared/access/permissions.ts';
import { checkTemplate, MOST_TEMPLATE_BYTES } from '#shared/campaigns/check-template.ts';
import {
  createTemplate,
  expireTemplate,
  findTemplate,
  storeCheck,
  type TemplateAt,
  type TemplateRow,
} from '#shared/campaigns/template-store.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { TEMPLATE_FORMATS, TEMPLATE_STATUSES } from '#shared/db/schema.ts';
import { idSchema } from '#shared/definitions/name-schemas.ts';
import { LongshoreError } from '#shared/errors.ts';
import { bucketName } from '#shared/runtime/config/resource-names.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import { tenantField } from '../http/request-fields.ts';
import { callerOf, callerWith } from '../http/request-guard.ts';
import type { LandingAccess } from '../uploads/landing-access.ts';
import { presignedUpload, presignedUploadSchema } from '../uploads/presigned-upload.ts';
import { tenantOf } from '../uploads/upload-target.ts';

export interface TemplateParts {
  readonly sql: Sql;
  readonly landing: LandingAccess;
}

const createSchema = z.strictObject({
  tenant: tenantField.optional().describe('For operators.'),
  name: idSchema.describe('The template’s id; a known one gets its next version.'),
  format: z.enum(TEMPLATE_FORMATS).default('html').describe('html, mjml, or json: {subject, preheader, html, text}.'),
  topic: idSchema.default('newsletter').describe('What recipients can unsubscribe from.'),
  size: z
    .number()
    .int()
    .min(1)
    .max(MOST_TEMPLATE_BYTES)
    .optional()
    .describe('Bytes; when given, no other size is taken.'),
});

const templateSchema = z
  .object({
    template_id: z.string(),
    version: z.number(),
    status: z.enum(TEMPLATE_STATUSES),
    format: z.enum(TEMPLATE_FORMATS),
    topic: z.string(),
    subject: z.string().nullable(),
    variables: z.array(z.string()).describe('What rows, or the campaign’s defaults, have to give.'),
    warnings: z.array(z.string()),
    faults: z.array(z.object({ code: z.string(), message: z.string(), line: z.number().optional() })),
    size_bytes: z.number().nullable(),
    versions: z.array(z.number()).describe('Newest first.'),
  })
  .meta({ id: 'MailTemplate' });

/** Two requests for one template at a time seldom meet; more give up in turn. */
const CREATE_TRIES = 10;
const CONTENT_TYPES = { html: 'text/html', mjml: 'text/plain', json: 'application/json' } as const;

export function handleTemplates(app: ApiServer, { sql, landing }: TemplateParts): void {
  const bucket = bucketName(landing.prefix, 'staging');

  app.post(
    '/api/v1/templates/presigned-url',
    {
      schema: {
        summary: 'A URL to upload a version of a mail template by, for 15 minutes',
        tags: ['campaigns'],
        body: createSchema,
        response: {
          201: z.object({
            template_id: z.string(),
            version: z.number(),
            status: z.enum(TEMPLATE_STATUSES),
            upload: presignedUploadSchema,
          }),
          ...errorReplies,
        },
      },
    },
    async (request, reply) => {
      const caller = callerWith(request, 'templates:change');
      const { tenant, name: id, format, topic, size } = request.body;
      const tenantId = tenantOf(caller, tenant);
      if (!(await landing.directory.find([tenantId])).has(tenantId))
        throw new LongshoreError('NOT_FOUND', 'Tenant not found');
      const wanted = { tenantId, id, format, topic, keyPrefix: `templates/${tenantId}/${id}/`, actor: actorOf(caller) };
      let created: TemplateRow | undefined;
      for (let tries = 0; created === undefined && tries < CREATE_TRIES; tries += 1)
        created = await createTemplate(sql, wanted);
      if (created === undefined)
        throw new LongshoreError('OVERLOADED', 'Too many versions of this template are being made.');
      const { version, status, key } = created;
      const contentType = CONTENT_TYPES[format];
      const presigned = await landing.sent.presignPut({
        target: { bucket, key },
        metadata: {},
        contentType,
        sizeBytes: size,
      });
      return await reply.code(201).send({ template_id: id, version, status, upload: presignedUpload(presigned) });
    },
  );

  app.get(
    '/api/v1/templates/:name',
    {
      schema: {
        summary: 'One mail template: its status, variables and faults',
        tags: ['campaigns'],
        params: z.object({ name: idSchema }),
        querystring: z.strictObject({
          tenant: tenantField.optional().describe('For operators.'),
          version: z.coerce.number().int().min(1).max(1_000_000).optional().describe('The newest when absent.'),
        }),
        response: { 200: templateSchema, ...errorReplies },
      },
    },
    async (request) => {
      const tenantId = tenantOf(callerOf(request), request.query.tenant);
      const at = { tenantId, id: request.params.name, version: request.query.version };
      const template = await findCheckedTemplate({ sql, landing }, at, request.ended);
      if (template === undefined) throw new LongshoreError('NOT_FOUND', 'Template not found');
      const { id, version, status, format, topic, subject, variables, warnings, faults, sizeBytes, versions } =
        template;
      return {
        ...{ template_id: id, version, status, format, topic, subject },
        ...{ variables: [...variables], warnings: [...warnings], faults: [...faults] },
        ...{ size_bytes: sizeBytes, versions: [...versions] },
      };
    },
  );
}

/** Undefined: the tenant has no such template. What was uploaded meanwhile is checked first. */
export async function findCheckedTemplate(
  { sql, landing }: TemplateParts,
  at: TemplateAt,
  signal: AbortSignal,
): Promise<TemplateRow | undefined> {
  const template = await findTemplate(sql, at);
  if (template?.status !== 'AWAITING_UPLOAD') return template;
  const address = { bucket: bucketName(landing.prefix, 'staging'), key: template.key };
  const head = await landing.store.head(address, { signal });
  if (head === 'not-found') {
    if (!template.isExpired) return template;
    await expireTemplate(sql, template);
  } else {
    // One byte more than is taken, so that what is too large is seen to be.
    const last = Math.min(head.sizeBytes, MOST_TEMPLATE_BYTES + 1) - 1;
    const bytes = last < 0 ? Buffer.alloc(0) : await landing.store.readRange(address, { first: 0, last }, { signal });
    const checked = await checkTemplate(bytes, template.format, at.tenantId);
    await storeCheck(sql, template, { checked, sizeBytes: head.sizeBytes });
  }
  return await findTemplate(sql, { ...at, version: template.version });
}
