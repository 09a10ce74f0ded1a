/** Who we are to Azure Blob Storage: a signature with the account's key (SharedKey), or a shared access signature in the query. */
import { createHmac } from 'node:crypto';
import type { HttpsRequest } from '../https/https-requests.ts';

const VERSION = '2023-11-03';

/** `now`: milliseconds since 1970. */
export function blobHeaders(now: number): Record<string, string> {
  return { 'x-ms-date': new Date(now).toUTCString(), 'x-ms-version': VERSION };
}

/**
 * `Authorization` of a request with all its headers, `content-length` among them where it has a body.
 * https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 */
export function signBlobRequest(
  { method, target, headers = {} }: HttpsRequest,
  { account, key }: { readonly account: string; readonly key: Buffer },
): string {
  const of = (name: string): string => headers[name] ?? '';
  const length = of('content-length') === '0' ? '' : of('content-length');
  const conditions = ['if-modified-since', 'if-match', 'if-none-match', 'if-unmodified-since', 'range'].map(of);
  const own = Object.keys(headers)
    .filter((name) => name.startsWith('x-ms-'))
    .sort()
    .map((name) => `${name}:${of(name)}`);
  const url = new URL(target, 'https://blob');
  const names = [...new Set(url.searchParams.keys())].sort();
  const query = names.map((name) => `${name.toLowerCase()}:${url.searchParams.getAll(name).sort().join(',')}`);
  const text = [
    ...[method, of('content-encoding'), of('content-language'), length, of('content-md5'), of('content-type')],
    // `x-ms-date` is signed in place of the date.
    ...['', ...conditions, ...own],
    ...[`/${account}${target.split('?')[0]}`, ...query],
  ].join('\n');
  const signature = createHmac('sha256', key).update(text, 'utf8').digest('base64');
  return `SharedKey ${account}:${signature}`;
}
