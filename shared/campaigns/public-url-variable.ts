/** The variable of the processes that write unsubscribe links. */
import { z } from 'zod';

export const publicUrlVariable = z
  .url({ protocol: /^https?$/ })
  .optional()
  .describe(
    'Address at which recipients reach the control API, for unsubscribe links. Marketing campaigns wait without it.',
  );
