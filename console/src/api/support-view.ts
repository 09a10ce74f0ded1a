/** The tenant whose portal an operator looks at: `/console/as/TENANT`. */
const found = /^\/console\/as\/([^/]+)/.exec(location.pathname);

export const supportedTenant = found?.[1] === undefined ? undefined : decodeURIComponent(found[1]);
/** Under which the portal's pages are. */
export const portalBase = found?.[0] ?? '/portal';
