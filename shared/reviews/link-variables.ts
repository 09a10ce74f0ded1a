/** The variable of the processes that write and read review links. */
import { ownSecretNameSchema } from '#shared/definitions/name-schemas.ts';

export const linkVariables = {
  LONGSHORE_LINK_SECRET: ownSecretNameSchema
    .optional()
    .describe(
      'Name in the secret store of the key that review and unsubscribe links are signed with, or of `{"current": KEY, "previous": [KEY]}`; the same for the control API, the partner-worker and the retry-sweeper. There are no links without it.',
    ),
};
