/**
 * Sign-ins by mail: a link of fifteen minutes for each tenant in which the address is a person's, used once.
 *
 * A link signs in the browser that asked. In another one it takes the six digits that the asking browser shows: whoever only reads the mail,
 * or only asked for it, does not come in.
 */
import { randomInt } from 'node:crypto';
import { personActor } from '#shared/access/permissions.ts';
import { hashToken, newToken } from '#shared/access/random-token.ts';
import { openSession, type Visitor } from '#shared/access/sessions.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { useAtMost } from '../http/use-once.ts';

const LINK_SECONDS = 900;
const MOST_TRIES = 5;
const OF_ADDRESS_AN_HOUR = 5;
const OF_IP_AN_HOUR = 20;
const HOUR_MS = 3_600_000;

export interface MailRequest {
  /** Lower case. */
  readonly email: string;
  readonly browser: string;
  readonly address: string;
}

export interface MailLink {
  readonly token: string;
  readonly tenant: string;
}

export interface MailSignIn {
  readonly code: string;
  /** To be mailed; none for an address that nobody has. */
  readonly links: readonly MailLink[];
}

/** Undefined: too many recently, for this mail address or from this network address; counted for known and unknown ones alike. */
export async function beginMailSignIn(
  sql: Sql,
  { email, browser, address }: MailRequest,
): Promise<MailSignIn | undefined> {
  // The stranger's own first: one that may ask no more uses nothing of the address up.
  const isAllowed =
    (await useAtMost(sql, { thing: `mail sign-in from ${address}`, most: OF_IP_AN_HOUR, inMs: HOUR_MS })) &&
    (await useAtMost(sql, { thing: `mail sign-in of ${email}`, most: OF_ADDRESS_AN_HOUR, inMs: HOUR_MS }));
  if (!isAllowed) return undefined;
  const code = String(randomInt(1_000_000)).padStart(6, '0');
  const people = await sql<{ id: string; tenant: string }[]>`
    SELECT p.id, t.name AS tenant FROM people p JOIN tenants t ON t.id = p.tenant_id
    WHERE p.email = ${email} AND p.issuer IS NULL AND p.disabled_at IS NULL AND t.disabled_at IS NULL
      AND t.sign_in IS NULL ORDER BY t.name`;
  const links = people.map(({ id, tenant }) => ({ personId: id, tenant, token: newToken() }));
  await sql`
    WITH expired AS (DELETE FROM sign_ins WHERE expires_at < now() - interval '1 day')
    INSERT INTO sign_ins (id, way, token_hash, browser_hash, code_hash, person_id, expires_at)
    SELECT uuid_v7(), 'mail', token_hash, ${hashToken(browser)}, code_hash, person_id::uuid, now() + ${LINK_SECONDS}::int * interval '1 second'
    FROM unnest(${links.map(({ token }) => hashToken(token))}::text[], ${links.map(({ token }) => hashCode(token, code))}::text[],
      ${links.map(({ personId }) => personId)}::text[]) AS link (token_hash, code_hash, person_id)`;
  return { code, links };
}

export interface MailLinkUse {
  readonly token: string;
  readonly code: string | undefined;
  readonly browser: string | undefined;
  readonly visitor: Visitor;
}

export type MailLinkResult =
  | { readonly type: 'signed-in'; readonly sessionToken: string }
  /** Another browser, and the code is missing or wrong. */
  | { readonly type: 'code-needed' }
  | { readonly type: 'invalid' };

export async function useMailLink(sql: Sql, { token, code, browser, visitor }: MailLinkUse): Promise<MailLinkResult> {
  const [person] = await sql<{ email: string; tenantId: string }[]>`
    SELECT p.email, p.tenant_id AS "tenantId" FROM sign_ins i JOIN people p ON p.id = i.person_id
    WHERE i.token_hash = ${hashToken(token)} AND i.way = 'mail'`;
  if (person === undefined) return { type: 'invalid' };
  const sessionToken = newToken();
  const [found] = await sql<{ open: number; signedIn: number }[]>`
    WITH tried AS (
      UPDATE sign_ins SET code_tries = code_tries + ${code === undefined ? 0 : 1}::int,
        used_at = CASE WHEN browser_hash = ${browser === undefined ? null : hashToken(browser)}
          OR code_hash = ${code === undefined ? null : hashCode(token, code)} THEN now() END
      WHERE token_hash = ${hashToken(token)} AND way = 'mail' AND used_at IS NULL AND expires_at > now()
        AND code_tries < ${MOST_TRIES}
      RETURNING *),
    person AS (
      UPDATE people p SET last_signed_in_at = now()
      FROM tried JOIN people q ON q.id = tried.person_id JOIN tenants t ON t.id = q.tenant_id
      WHERE p.id = q.id AND tried.used_at IS NOT NULL AND p.disabled_at IS NULL AND t.disabled_at IS NULL AND t.sign_in IS NULL
      RETURNING p.id, p.tenant_id, p.role, NULL::uuid AS key_id, now() AS proved_at),
    ${openSession(sql, { way: 'mail', token: sessionToken, visitor, actor: personActor(person.tenantId, person.email) })}
    SELECT (SELECT count(*) FROM tried WHERE used_at IS NULL)::int AS open, (SELECT count(*) FROM session)::int AS "signedIn"`;
  if (found?.signedIn === 1) return { type: 'signed-in', sessionToken };
  return found?.open === 1 ? { type: 'code-needed' } : { type: 'invalid' };
}

/** With the link's token: six digits alone could be tried out in a stolen table. */
function hashCode(token: string, code: string): string {
  return hashToken(`${token} ${code}`);
}
