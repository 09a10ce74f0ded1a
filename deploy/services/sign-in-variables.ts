/** What the control API is given about how people sign in. */
import type { DeploySettings } from '../settings.ts';

export function signInVariables({ signIn }: Pick<DeploySettings, 'signIn'>): Record<string, string> {
  if (signIn === undefined) return {};
  const { consoleOrigin, portalOrigin, oidc } = signIn;
  return {
    LONGSHORE_CONSOLE_ORIGIN: consoleOrigin,
    ...(portalOrigin !== undefined && { LONGSHORE_PORTAL_ORIGIN: portalOrigin }),
    ...(oidc !== undefined && {
      LONGSHORE_OIDC_ISSUER: oidc.issuer,
      LONGSHORE_OIDC_CLIENT_ID: oidc.clientId,
      LONGSHORE_CONSOLE_ROLES: JSON.stringify(oidc.roles),
      ...(oidc.clientSecret !== undefined && { LONGSHORE_OIDC_CLIENT_SECRET_NAME: oidc.clientSecret }),
      ...(oidc.scopes !== undefined && { LONGSHORE_OIDC_SCOPES: oidc.scopes }),
      ...(oidc.rolesClaim !== undefined && { LONGSHORE_OIDC_ROLES_CLAIM: oidc.rolesClaim }),
      ...(oidc.networks.length > 0 && { LONGSHORE_OIDC_ADDRESSES: oidc.networks.join(',') }),
    }),
  };
}
