/**
 * Which host has which app. Where console and portal have their own origins, neither is found under another name: not the console where
 * partners come, and none of them under a name that somebody else gave this address.
 */
import type { FastifyInstance } from 'fastify';
import { LongshoreError } from '#shared/errors.ts';
import { isFromLoopback, isLoopbackName, type SignInApp } from '../http/session-cookies.ts';

export interface AppOrigins {
  readonly consoleOrigin: string | undefined;
  readonly portalOrigin: string | undefined;
}

export function keepToHosts(app: FastifyInstance, { consoleOrigin, portalOrigin }: AppOrigins): void {
  const hosts = { console: hostOf(consoleOrigin), portal: hostOf(portalOrigin) };
  app.addHook('onRequest', async (request) => {
    const page = /^\/(console|portal)(?:\/|$)/.exec(request.routeOptions.url ?? '')?.[1] as SignInApp | undefined;
    if (page === undefined || isFromLoopback(request)) return;
    const own = hosts[page];
    const other = hosts[page === 'console' ? 'portal' : 'console'];
    const asked = hostOf(`${request.protocol}://${request.host}`);
    if (own === undefined ? asked !== other || other === undefined : asked === own) return;
    throw new LongshoreError('NOT_FOUND', 'There is no such page on this host.');
  });
}

/** Undefined: there is none, or it is that of one machine, which has many names. */
function hostOf(origin: string | undefined): string | undefined {
  if (origin === undefined || !URL.canParse(origin)) return undefined;
  const { host, hostname } = new URL(origin);
  return isLoopbackName(hostname) ? undefined : host;
}
