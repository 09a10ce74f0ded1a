/** What `GET /api/v1/settings` replies: the rules of this instance, as its control API was started with them. */
import { z } from 'zod';

const SETTING_GROUPS = ['approvals and reasons', 'sign-in', 'programs', 'chat and links', 'limits'] as const;

const settingSchema = z
  .object({
    name: z.string().describe('The variable of the control API.'),
    group: z.enum(SETTING_GROUPS),
    value: z.string().nullable().describe('Null: not set, and without a default.'),
    source: z.enum(['environment', 'default', 'none']),
    meaning: z.string(),
  })
  .meta({ id: 'Setting' });
export type Setting = z.infer<typeof settingSchema>;

export const settingsReplySchema = z.object({ settings: z.array(settingSchema) });
