/** The encodings of partners' files, and the other names that people write for them. */
import { z } from 'zod';

export const EBCDIC_PAGES = [
  'cp037',
  'cp273',
  'cp277',
  'cp278',
  'cp280',
  'cp284',
  'cp285',
  'cp297',
  'cp500',
  'cp1047',
  'cp1140',
  'cp1141',
  'cp1142',
  'cp1143',
  'cp1144',
  'cp1145',
  'cp1146',
  'cp1147',
  'cp1148',
] as const;
export type EbcdicPage = (typeof EBCDIC_PAGES)[number];

const encodings = z.enum(['utf-8', 'latin-1', 'iso-8859-15', 'windows-1252', 'utf-16le', 'utf-16be', ...EBCDIC_PAGES]);
export type Encoding = z.infer<typeof encodings>;

const ALIASES: Readonly<Record<string, Encoding>> = {
  utf8: 'utf-8',
  latin1: 'latin-1',
  iso88591: 'latin-1',
  latin9: 'iso-8859-15',
  iso885915: 'iso-8859-15',
  cp1252: 'windows-1252',
  windows1252: 'windows-1252',
  ansi: 'windows-1252',
  utf16le: 'utf-16le',
  utf16be: 'utf-16be',
};

/** Upper or lower case, `cp1252` for `windows-1252`, `IBM-1141` and `ccsid 1141` for `cp1141`. */
export const encodingSchema = z.preprocess((given) => {
  if (typeof given !== 'string') return given;
  const name = given.toLowerCase().replace(/[-_ ]/g, '');
  return ALIASES[name] ?? name.replace(/^(?:ibm|ccsid|cp)0*(\d+)$/, (_all, page) => `cp${page.padStart(3, '0')}`);
}, encodings);

export function isEbcdic(encoding: Encoding): boolean {
  return (EBCDIC_PAGES as readonly string[]).includes(encoding);
}
