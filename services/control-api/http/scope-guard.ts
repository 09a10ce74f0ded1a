/**
 * Which endpoints a key or a token with scopes reaches. Whatever is not named here is closed to it, so a new endpoint is closed until somebody
 * decides; what an endpoint itself requires is asked in addition.
 */
import { SCOPES, type Scope } from '#shared/access/scopes.ts';
import { LongshoreError } from '#shared/errors.ts';

interface Reach {
  readonly methods: readonly string[];
  /** As in the route; `/*` at the end: whatever is below. */
  readonly paths: readonly string[];
}

const READING = ['GET', 'HEAD'];

const REACH: Readonly<Record<Scope, readonly Reach[]>> = {
  'campaigns:read': [
    { methods: READING, paths: ['campaigns', 'mails', 'senders', 'suppressions', 'templates'].flatMap(withAllBelow) },
  ],
  'campaigns:write': [{ methods: ['POST'], paths: withAllBelow('campaigns') }],
  'templates:write': [{ methods: ['POST'], paths: withAllBelow('templates') }],
  'suppressions:write': [{ methods: ['POST', 'PUT', 'DELETE'], paths: withAllBelow('suppressions') }],
  'files:read': [
    { methods: READING, paths: ['files', 'jobs'].flatMap(withAllBelow).concat('/status') },
    { methods: ['POST'], paths: ['/api/v1/downloads'] },
  ],
  'files:write': [
    { methods: ['POST'], paths: ['/api/v1/files', '/api/v1/files/presigned-url'] },
    { methods: ['PUT'], paths: ['/api/v1/files/*'] },
    { methods: [...READING, 'POST', 'DELETE'], paths: withAllBelow('uploads') },
  ],
};

function withAllBelow(things: string): string[] {
  return [`/api/v1/${things}`, `/api/v1/${things}/*`];
}

/** Who asks, and the names and time zones of the tenants that the caller sees: commands show times in them. */
const OWN = ['/api/v1/me', '/api/v1/tenants'];

/** `path` as in the route, not as it was asked for. @throws LongshoreError `FORBIDDEN` */
export function assertInScope(scopes: readonly Scope[], { method, path }: { method: string; path: string }): void {
  if (READING.includes(method) && OWN.includes(path)) return;
  if (scopes.some((scope) => reaches(scope, method, path))) return;
  const needed = SCOPES.filter((scope) => reaches(scope, method, path));
  throw new LongshoreError('FORBIDDEN', 'The scopes of this key or token do not include this request.', {
    hint:
      needed.length > 0
        ? `Scopes that do: ${needed.join(', ')}.`
        : 'No scope does. Use a key or a token without scopes.',
    details: { scopes: needed },
  });
}

function reaches(scope: Scope, method: string, path: string): boolean {
  return REACH[scope].some(
    ({ methods, paths }) =>
      methods.includes(method) &&
      paths.some((each) => (each.endsWith('/*') ? path.startsWith(each.slice(0, -1)) : path === each)),
  );
}
