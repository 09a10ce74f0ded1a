/** What a tenant's definition says of the portal's look, in replies: as it is written, and as the pages need it. */
import { z } from 'zod';
import { portalColours } from '#shared/definitions/portal-colours.ts';
import type { PortalLook } from '#shared/definitions/portal-schema.ts';

export const portalLookSchema = z
  .object({
    name: z.string().optional(),
    colour: z.string().optional().describe('As #rrggbb.'),
    logo: z.string().optional().describe('A PNG, as a data URL.'),
  })
  .meta({ id: 'PortalLook' });

const themeSchema = z.object({ accent: z.string(), on_accent: z.string(), soft: z.string() });

export const shownPortalSchema = portalLookSchema
  .extend({
    themes: z
      .object({ light: themeSchema, dark: themeSchema })
      .optional()
      .describe('Shades of the colour that can be read in each theme.'),
  })
  .meta({ id: 'ShownPortal' });

/** @param stored of a tenant's row, null where its definition says nothing */
export function shownPortal(stored: unknown): z.infer<typeof shownPortalSchema> | null {
  const look = stored as PortalLook | null;
  if (look?.colour === undefined) return look;
  const { light, dark } = portalColours(look.colour);
  const themeOf = ({ accent, onAccent, soft }: typeof light) => ({ accent, on_accent: onAccent, soft });
  return { ...look, themes: { light: themeOf(light), dark: themeOf(dark) } };
}
