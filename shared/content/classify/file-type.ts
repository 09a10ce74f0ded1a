/** What a file is by its first bytes, whatever its name says. Text has no magic bytes: there the name counts as far as the content fits. */
/** As much as the library looks at. */
export const TYPE_SAMPLE_BYTES = 4_100;

export interface FoundType {
  /** As an extension without its dot; `unknown` for bytes that are neither text nor of a known type. */
  readonly type: string;
  readonly mimeType: string;
  /** Whether the name has the extension of the type, or one of another spelling of it. */
  readonly isAsNamed: boolean;
}

const SPELLINGS: Readonly<Record<string, string>> = {
  jpeg: 'jpg',
  tiff: 'tif',
  htm: 'html',
  gzip: 'gz',
  jsonl: 'ndjson',
};
const TEXT_TYPES = 'txt csv tsv dat data json ndjson xml html md log yaml yml sql edi x12 asc eml ics vcf svg'.split(
  ' ',
);
const ANY_TEXT = 'txt';

export async function findType(sample: Uint8Array, name: string): Promise<FoundType> {
  // Loaded by the first file: most processes that know routes never look into one.
  const { fileTypeFromBuffer } = await import('file-type');
  const extension = extensionOf(name);
  const found = await fileTypeFromBuffer(sample);
  const type = found === undefined ? textTypeOf(sample, extension) : (SPELLINGS[found.ext] ?? found.ext);
  const mimeType = found?.mime ?? (type === 'unknown' ? 'application/octet-stream' : 'text/plain');
  return { type, mimeType, isAsNamed: type === extension };
}

export function isTextType({ type, mimeType }: Pick<FoundType, 'type' | 'mimeType'>): boolean {
  return mimeType === 'text/plain' || ['json', 'xml', 'html', 'svg'].includes(type);
}

function extensionOf(name: string): string {
  const extension = /.\.([^.]{1,16})$/.exec(name)?.[1]?.toLowerCase() ?? '';
  return SPELLINGS[extension] ?? extension;
}

function textTypeOf(sample: Uint8Array, extension: string): string {
  if (!isText(sample)) return 'unknown';
  const beginning = Buffer.from(sample.subarray(0, 256))
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  if (beginning.startsWith('<?xml')) return extension === 'svg' ? 'svg' : 'xml';
  if (/^[[{]/.test(beginning) && ['json', 'ndjson'].includes(extension)) return extension;
  if (beginning.startsWith('<') && ['html', 'xml', 'svg'].includes(extension)) return extension;
  if (['json', 'ndjson', 'html', 'xml', 'svg'].includes(extension)) return ANY_TEXT;
  return TEXT_TYPES.includes(extension) ? extension : ANY_TEXT;
}

/** No control characters but those of text; a mark of UTF-16 says that its zeros are none. */
function isText(sample: Uint8Array): boolean {
  const mark = (sample[0] ?? 0) * 256 + (sample[1] ?? 0);
  if (mark === 0xfffe || mark === 0xfeff) return true;
  return !sample.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 26 && byte !== 27));
}
