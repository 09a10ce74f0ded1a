/**
 * What is before every handler: who asks, how often, and in what form.
 *
 * 1. Every route needs a key, a token or a session unless it says `isPublic`; a route added without a thought is closed.
 * 2. A session counts only for pages of ours (`own-pages.ts`), and never together with another credential.
 * 3. Scopes of a key or a token are asked here, before the endpoint's own permission.
 * 4. A tenant's keys spend the tenant's allowance only, over all processes; what has no valid key spends that of its address, before the key is looked up.
 */
import cookies from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Caller, may, type Permission, ROLES, type Session } from '#shared/access/permissions.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import type { Authenticate, Authentication } from './authenticate.ts';
import type { AuthenticateBearer } from './authenticate-bearer.ts';
import { assertFromOwnPage } from './own-pages.ts';
import { assertInScope } from './scope-guard.ts';
import { sessionTokenOf } from './session-cookies.ts';
import { createSharedRate } from './shared-rate.ts';
import { createSupportView, SUPPORT_HEADER } from './support-view.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyInstance {
    /** For streams: whether what the request carried still counts, for the same tenant and role. */
    isStillKnown(request: FastifyRequest): Promise<boolean>;
  }
  interface FastifyContextConfig {
    /** Answers without a key. */
    isPublic?: boolean;
    /** Gives a session: taken from pages of ours alone, as what is asked with one. */
    isSignIn?: boolean;
  }
}

export interface RequestGuardOptions {
  readonly authenticate: Authenticate;
  /** Absent: tokens are not taken. */
  readonly authenticateBearer?: AuthenticateBearer | undefined;
  /** Finds the session of a token; as for keys. */
  readonly authenticateSession: Authenticate;
  /** Called for what a person asks in a session, so that the session does not become idle. */
  readonly noteSessionUse: (sessionId: string) => void;
  /** Of the console and the portal, where they are configured. */
  readonly pageOrigins: readonly string[];
  /** Of one customer, over all processes. */
  readonly ratePerSecond: number;
  readonly sql: Sql;
  readonly logger: Logger;
  /** In place of the clock of this host. */
  readonly now?: (() => number) | undefined;
  readonly strangerRatePerMinute: number;
}

/** Short, so that `Retry-After` is short too. */
const WINDOW_MS = 10_000;
const STRANGER_WINDOW_MS = 60_000;
/** Of one customer, so that several together cannot take all places that the server has. */
const MOST_UNDER_WAY = 200;
/** Pages load a dozen assets each; unknown paths cost nothing. */
const PUBLIC_RATE_PER_WINDOW = 600;

export async function guardRequests(app: FastifyInstance, options: RequestGuardOptions): Promise<void> {
  await app.register(cookies);
  await app.register(rateLimit, { global: false });
  const customers = createSharedRate({
    sql: options.sql,
    max: options.ratePerSecond * (WINDOW_MS / 1_000),
    windowMs: WINDOW_MS,
    logger: options.logger,
    now: options.now,
  });
  const viewAs = createSupportView(options.sql);
  app.addHook('onReady', async () => customers.start());
  app.addHook('onClose', async () => customers.stop());
  const strangerLimit = app.createRateLimit({
    max: options.strangerRatePerMinute,
    timeWindow: STRANGER_WINDOW_MS,
    keyGenerator: (request) => request.ip,
  });
  const publicLimit = app.createRateLimit({
    max: PUBLIC_RATE_PER_WINDOW,
    timeWindow: WINDOW_MS,
    keyGenerator: (request) => request.ip,
  });

  async function identify(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    let secondsLeft = 1;
    const allowance = async () => {
      const state = await strangerLimit(request);
      if (state.isAllowed || !state.isExceeded) return true;
      secondsLeft = state.ttlInSeconds;
      return false;
    };
    const result = await whoAsks(request, allowance);
    if (result.type === 'limited') throw rateLimited(secondsLeft, reply);
    if (result.type === 'unknown') {
      if (sessionTokenOf(request) !== undefined)
        throw new LongshoreError('SESSION_ENDED', 'The session has ended, or it is unknown.');
      if (options.authenticateBearer !== undefined) reply.header('www-authenticate', 'Bearer');
      throw new LongshoreError(
        'UNAUTHENTICATED',
        'The request carries no valid API key in x-api-key, and no valid token.',
      );
    }
    request.caller = result.owner;
    const { session } = result.owner;
    // What a page asks on its own does not keep the session of a person who is away.
    if (session !== undefined && request.headers['x-longshore-background'] === undefined)
      options.noteSessionUse(session.id);
  }

  async function whoAsks(request: FastifyRequest, allowance: () => Promise<boolean>): Promise<Authentication> {
    const key = headerText(request, 'x-api-key');
    const bearer = options.authenticateBearer === undefined ? undefined : headerText(request, 'authorization');
    const session = sessionTokenOf(request);
    if ([key, bearer, session].filter((credential) => credential !== undefined).length > 1)
      throw new LongshoreError(
        'REQUEST_INVALID',
        'The request carries more than one of API key, token and session; send one of them.',
      );
    if (session !== undefined) {
      assertFromOwnPage(request, options.pageOrigins);
      return await options.authenticateSession(session, allowance);
    }
    if (bearer === undefined || options.authenticateBearer === undefined)
      return await options.authenticate(key, allowance);
    return await options.authenticateBearer(bearer, allowance);
  }

  const underWay = new Map<string, number>();
  /** A slow request takes its place for as long as it lasts, which the rate alone does not see. */
  function takePlace(request: FastifyRequest, reply: FastifyReply): void {
    const customer = customerOf(callerOf(request));
    const others = underWay.get(customer) ?? 0;
    if (others >= MOST_UNDER_WAY) throw rateLimited(1, reply);
    underWay.set(customer, others + 1);
    reply.raw.once('close', () => {
      const left = (underWay.get(customer) ?? 1) - 1;
      if (left === 0) underWay.delete(customer);
      else underWay.set(customer, left);
    });
  }

  app.decorate('isStillKnown', async (request: FastifyRequest) => {
    const result = await whoAsks(request, async () => true);
    const { caller } = request;
    if (result.type !== 'known' || caller === null) return false;
    // In the support view the caller is somebody of the tenant, and who sent the request an operator.
    if (headerText(request, SUPPORT_HEADER) !== undefined) return result.owner.tenantId === null;
    return result.owner.tenantId === caller.tenantId && result.owner.role === caller.role;
  });
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (request.is404 || request.routeOptions.config.isPublic) {
      await spend(publicLimit, request, reply);
      if (request.routeOptions.config.isSignIn) {
        // Each attempt costs the database a row or a look-up, as a key that nobody has.
        await spend(strangerLimit, request, reply);
        assertFromOwnPage(request, options.pageOrigins);
      }
    } else {
      reply.header('cache-control', 'no-store');
      await identify(request, reply);
      const { isAllowed, secondsLeft } = customers.spend(customerOf(callerOf(request)));
      if (!isAllowed) throw rateLimited(secondsLeft, reply);
      takePlace(request, reply);
      const { scopes } = callerOf(request);
      if (scopes !== undefined) assertInScope(scopes, { method: request.method, path: request.routeOptions.url ?? '' });
      const tenantId = headerText(request, SUPPORT_HEADER);
      if (tenantId !== undefined) request.caller = await viewAs(callerOf(request), tenantId, request.method);
    }
    refuseOddForms(request, reply);
  });
}

/** Who asks; a handler behind the guard always has one. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === null) throw new LongshoreError('UNAUTHENTICATED', 'The request carries no valid API key.');
  return request.caller;
}

/** @throws LongshoreError `FORBIDDEN` when the caller's role may not. */
export function callerWith(request: FastifyRequest, permission: Permission): Caller {
  const caller = callerOf(request);
  if (!may(caller, permission)) throw forbidden(caller, permission);
  if (TAKES_RECENT_SIGN_IN.includes(permission) && !['GET', 'HEAD'].includes(request.method)) assertRecent(caller);
  return caller;
}

/** What a browser that was left alone must not do: a provider asks who it is. */
const TAKES_RECENT_SIGN_IN: readonly Permission[] = [
  'effects:resend',
  'keys:manage',
  'people:manage',
  'definitions:apply',
];

function assertRecent({ session }: Caller): void {
  if (session?.way !== 'oidc' || session.isRecent) return;
  throw new LongshoreError('SIGN_IN_AGAIN', 'This takes a sign-in of the last 10 minutes.', {
    details: { proved_at: new Date(session.provedAtMs).toISOString() },
  });
}

/** Most of what takes these can be proposed by those who may not do it. */
const PROPOSED: readonly Permission[] = ['definitions:apply', 'partners:change'];

function forbidden(caller: Caller, permission: Permission): LongshoreError {
  const roles = ROLES.filter((role) => may({ role }, permission));
  const mayPropose = PROPOSED.includes(permission) && may(caller, 'proposals:make');
  const proposing = mayPropose ? ' Yours may propose it: POST /api/v1/proposals, or --propose.' : '';
  return new LongshoreError('FORBIDDEN', `This takes the permission ${permission}.`, {
    hint: `Roles that have it: ${roles.join(', ')}.${proposing}`,
    details: { permission },
  });
}

/** Of a person who signed in. @throws LongshoreError `SESSION_REQUIRED` */
export function personOf(request: FastifyRequest): Caller & { readonly session: Session } {
  const { session, ...caller } = callerOf(request);
  if (session !== undefined) return { ...caller, session };
  throw new LongshoreError(
    'SESSION_REQUIRED',
    'This is for people who signed in, and the request carries a key or a token.',
  );
}

/** Whose share of the API a request takes: a tenant's, whatever number of keys it has; an operator's own. */
export function customerOf({ tenantId, keyId }: Caller): string {
  return tenantId === null ? `key:${keyId}` : `tenant:${tenantId}`;
}

type Limit = ReturnType<FastifyInstance['createRateLimit']>;

/** @throws LongshoreError `RATE_LIMITED` */
export async function spend(limit: Limit, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const state = await limit(request);
  if (state.isAllowed || !state.isExceeded) return;
  throw rateLimited(state.ttlInSeconds, reply);
}

function rateLimited(secondsLeft: number, reply: FastifyReply): LongshoreError {
  const seconds = Math.max(1, secondsLeft);
  reply.header('retry-after', seconds);
  return new LongshoreError('RATE_LIMITED', `Too many requests; wait ${seconds} s.`, {
    details: { retry_after_seconds: seconds },
  });
}

/** @throws LongshoreError for compressed bodies, and for queries whose percent-encoding the parser would pass over in silence. */
function refuseOddForms(request: FastifyRequest, reply: FastifyReply): void {
  const encoding = headerText(request, 'content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    reply.header('accept-encoding', 'identity');
    throw new LongshoreError('UNSUPPORTED_MEDIA_TYPE', 'The body is compressed; only uncompressed bodies are taken.');
  }
  const query = request.raw.url?.split('?').slice(1).join('?') ?? '';
  try {
    decodeURIComponent(query.replaceAll('+', ' '));
  } catch {
    throw new LongshoreError('REQUEST_INVALID', 'The query is not well-formed: check its percent-encoding.');
  }
}

/** A header that came once; undefined when absent or repeated. */
function headerText(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
