/**
 * How the portal looks for a tenant's people: a name, a colour and a logo in place of Longshore's.
 *
 * A logo is small, and a PNG that is whole: it comes with each page, and a browser never has to guess what it is. SVG is a document, which a
 * browser may run.
 */
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { hasUnprintable } from '#shared/text/visible-text.ts';
import { isLegible, LEAST_CONTRAST } from './portal-colours.ts';

const LARGEST_LOGO_BYTES = 16_384;
const MOST_PIXELS_A_SIDE = 512;
const LOGO_START = 'data:image/png;base64,';
const COLOUR = /^#[0-9a-fA-F]{6}$/;
const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
/** Of a chunk: its length, its type, and its checksum at the end. */
const CHUNK_FRAME_BYTES = 12;

export const portalSchema = z
  .strictObject({
    name: z
      .string()
      .trim()
      .min(1)
      .max(60)
      .refine((name) => !hasUnprintable(name), 'has a control character or an invisible one')
      .optional(),
    colour: z
      // Without quotes it is a comment of YAML, and the colour is null.
      .string('must be a colour such as "#0b5394", in quotes')
      .regex(COLOUR, 'must be a colour such as "#0b5394", in quotes')
      .refine(
        (colour) => !COLOUR.test(colour) || isLegible(colour),
        `is too light to read: text of this colour has a contrast below ${LEAST_CONTRAST} on the pages; take a darker shade`,
      )
      .optional(),
    logo: z
      .string()
      .superRefine((logo, context) => {
        const fault = logoFault(logo);
        if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
      })
      .optional(),
  })
  .refine((portal) => Object.keys(portal).length > 0, 'must have a name, a colour or a logo');
export type PortalLook = z.infer<typeof portalSchema>;

function logoFault(logo: string): string | undefined {
  if (!logo.startsWith(LOGO_START)) return `must be a PNG that begins with ${LOGO_START}`;
  const base64 = logo.slice(LOGO_START.length);
  // Before it is decoded.
  if (base64.length > Math.ceil(LARGEST_LOGO_BYTES / 3) * 4) return `must be at most ${LARGEST_LOGO_BYTES} bytes`;
  const png = Buffer.from(base64, 'base64');
  if (png.toString('base64') !== base64) return 'is not base64';
  return pngFault(png);
}

/** Its chunks are whole and in order; what is in them a browser reads. */
function pngFault(png: Buffer): string | undefined {
  if (!png.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return 'is not a PNG';
  const types: string[] = [];
  for (let at = SIGNATURE.length; at < png.length; ) {
    if (at + CHUNK_FRAME_BYTES > png.length) return 'is a PNG that is cut off';
    const end = at + CHUNK_FRAME_BYTES + png.readUInt32BE(at);
    if (end > png.length) return 'is a PNG that is cut off';
    if (crc32(png.subarray(at + 4, end - 4)) !== png.readUInt32BE(end - 4)) return 'is a damaged PNG';
    types.push(png.toString('latin1', at + 4, at + 8));
    at = end;
  }
  const isWhole = types[0] === 'IHDR' && types.includes('IDAT') && types.indexOf('IEND') === types.length - 1;
  if (!isWhole || png.readUInt32BE(SIGNATURE.length) !== 13) return 'is not a whole PNG';
  if (types.includes('acTL')) return 'must not be animated';
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const isOfSize = Math.min(width, height) >= 1 && Math.max(width, height) <= MOST_PIXELS_A_SIDE;
  return isOfSize ? undefined : `must be at most ${MOST_PIXELS_A_SIDE} by ${MOST_PIXELS_A_SIDE} pixels`;
}
