/** How an upload is listed: a person's, from a browser, is the portal's; a key's or token's is a program's. */
import type { Caller } from '#shared/access/permissions.ts';
import type { UploadSource } from '#shared/db/schema.ts';

export function sourceOf({ session }: Pick<Caller, 'session'>): UploadSource {
  return session === undefined ? 'http' : 'portal';
}
