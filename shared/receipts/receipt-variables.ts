/** The variable of the processes that sign receipts and publish their keys. */
import { ownSecretNameSchema } from '#shared/definitions/name-schemas.ts';

export const receiptVariables = {
  LONGSHORE_RECEIPT_SECRET: ownSecretNameSchema
    .optional()
    .describe(
      'Name in the secret store of the Ed25519 key, a JWK or a set of them, that receipts are signed with; the same for the workers and the control API. There are no receipts without it.',
    ),
};
