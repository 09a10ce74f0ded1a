/** Receipts of a file, and the keys that they are verified with. */
import { z } from 'zod';
import { LongshoreError } from '#shared/errors.ts';
import { createReceiptKeys } from '#shared/receipts/receipt-keys.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { type ApiParts, type ApiServer, errorReplies } from '../http/api-server.ts';
import { idParams } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';

export interface ReceiptParts extends ApiParts {
  readonly secrets: SecretStore;
  /** Undefined: there are no receipts. */
  readonly receiptSecret?: string | undefined;
}

const receiptsSchema = z
  .object({
    receipts: z.array(
      z.object({
        seq: z.number().describe("Place in the tenant's chain, from 1."),
        job_id: z.string(),
        issued_at: z.string(),
        jws: z.string().describe('Signed statement, in the compact form of JWS.'),
        hash: z.string().describe('SHA-256 of `jws`; the next receipt of the tenant has it as `previous`.'),
      }),
    ),
  })
  .meta({ id: 'Receipts' });

export function handleReceipts(app: ApiServer, { sql, secrets, receiptSecret }: ReceiptParts): void {
  app.get(
    '/api/v1/files/:id/receipt',
    {
      schema: {
        summary: 'Signed receipts of a file, newest last',
        tags: ['files'],
        params: idParams,
        response: { 200: receiptsSchema, ...errorReplies },
      },
    },
    async (request) => {
      const { tenantId } = callerOf(request);
      const { id } = request.params;
      const [file] =
        await sql`SELECT 1 FROM files WHERE id = ${id} AND (${tenantId}::text IS NULL OR tenant_id = ${tenantId})`;
      if (file === undefined) throw new LongshoreError('NOT_FOUND', 'File not found');
      const receipts = await sql<z.output<typeof receiptsSchema>['receipts']>`
        SELECT seq::int AS seq, job_id, to_jsonb(created_at) #>> '{}' AS issued_at, jws, hash FROM receipts WHERE file_id = ${id} ORDER BY seq`;
      return { receipts: [...receipts] };
    },
  );

  const keys = receiptSecret === undefined ? undefined : createReceiptKeys(secrets, receiptSecret);
  app.get(
    '/.well-known/longshore-receipts.jwks',
    { schema: { hide: true }, config: { isPublic: true } },
    async (_request, reply) => {
      if (keys === undefined) throw new LongshoreError('NOT_FOUND', 'Receipts are not set up here.');
      return await reply
        .type('application/jwk-set+json')
        .header('cache-control', 'public, max-age=300')
        .send(JSON.stringify(await keys.published()));
    },
  );
}
