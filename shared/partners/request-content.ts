/**
 * A file as the body of a request: alone, as a part of a form, or in base64 in the JSON that the operation's template makes.
 *
 * 1. The same file and values give the same bytes, so that a repeated call is the same call.
 * 2. Nothing of a name leaves its header: what a form cannot hold is percent-encoded.
 */
import { createHash } from 'node:crypto';
import type { PartnerOperation } from '#shared/definitions/partner-schema.ts';

export interface FileContent {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
}

export interface ContentBody {
  readonly body: Buffer;
  readonly contentType: string;
}

/** `rendered`: of the operation's `body`. @throws Error without any value, when the template's result has no room for the file. */
export function bodyWithContent(
  { file, fileField }: Pick<PartnerOperation, 'file' | 'fileField'>,
  rendered: unknown,
  content: FileContent,
): ContentBody {
  if (file === 'base64') {
    const fields = fieldsOf(rendered);
    const json = { ...fields, [fileField ?? 'content']: content.bytes.toString('base64') };
    return { body: Buffer.from(JSON.stringify(json)), contentType: 'application/json' };
  }
  if (file === 'multipart') return formOf(fieldsOf(rendered), fileField ?? 'file', content);
  return { body: content.bytes, contentType: content.contentType };
}

function fieldsOf(rendered: unknown): Readonly<Record<string, unknown>> {
  if (rendered === undefined) return {};
  if (typeof rendered !== 'object' || rendered === null || Array.isArray(rendered))
    throw new Error('the body is not an object, and has no room for the file');
  return rendered as Record<string, unknown>;
}

/** RFC 7578. */
function formOf(
  fields: Readonly<Record<string, unknown>>,
  fileField: string,
  { name, contentType, bytes }: FileContent,
): ContentBody {
  const boundary = `longshore-${createHash('sha256').update(bytes).digest('hex')}`;
  const texts = Object.entries(fields).map(
    ([field, value]) =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(field)}"\r\n\r\n${typeof value === 'string' ? value : JSON.stringify(value)}\r\n`,
  );
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(fileField)}"; filename="${escaped(name)}"\r\ncontent-type: ${contentType}\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(texts.join('') + head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}

/** As browsers do. */
function escaped(text: string): string {
  return text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
