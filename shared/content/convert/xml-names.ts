/** What XML calls things: its names, and the encodings that it is written in here. */
import type { Encoding } from '#shared/definitions/routes/encoding-schema.ts';

/** XML 1.0, fifth edition, without colons and joiners. */
const START =
  'A-Za-z_\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff';
const NAME = new RegExp(`^[${START}][${START}\\d.\\u00b7\\u0300-\\u036f\\u203f\\u2040-]*$`);

export function isXmlName(name: string): boolean {
  return NAME.test(name);
}

export const XML_ENCODING_NAMES: Readonly<Partial<Record<Encoding, string>>> = {
  'utf-8': 'UTF-8',
  'latin-1': 'ISO-8859-1',
  'iso-8859-15': 'ISO-8859-15',
  'windows-1252': 'windows-1252',
};
