/** The one-time link that `npm start` prints: the operator of this machine signs in to the console with it. */
import { readFile } from 'node:fs/promises';
import type { Endpoints } from '#local/launcher/endpoints.ts';
import { findApiKey } from '#shared/access/api-keys.ts';
import { createSignInLink, linkPathOf } from '#shared/access/sign-in-links.ts';
import type { Sql } from '#shared/db/connect-database.ts';

/** Undefined when the operator's key no longer counts, or its person is disabled. */
export async function createConsoleLink(
  sql: Sql,
  { api, operatorKeyFile }: Pick<Endpoints, 'api' | 'operatorKeyFile'>,
): Promise<string | undefined> {
  const owner = await findApiKey(sql, (await readFile(operatorKeyFile, 'utf8')).trim());
  if (owner === undefined) return undefined;
  const link = await createSignInLink(sql, owner);
  return link && `${api}${linkPathOf(owner.tenantId, link.token)}`;
}
