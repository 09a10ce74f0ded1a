/** Signing in at a provider, which sends the browser back to where it is now, and signing out. */
import { get, post } from './client.ts';
import type { Me } from './me.ts';

/** As `GET /auth/ways` says them. */
export interface SignInWays {
  readonly link: boolean;
  readonly oidc: boolean;
  readonly tenant_oidc: boolean;
  readonly mail: boolean;
}

export async function readWays({ signal }: { readonly signal: AbortSignal }): Promise<SignInWays> {
  return await get<SignInWays>('/auth/ways', { signal });
}

/** At the provider of the operators, or of a tenant. @throws Problem */
export async function toProvider(what: { readonly tenant?: string; readonly again?: boolean } = {}): Promise<void> {
  const { url } = await post<{ url: string }>('/auth/oidc', {
    ...what,
    return_to: location.pathname + location.search,
  });
  location.assign(url);
}

/** For what takes a sign-in of the last minutes: the provider asks again who it is. @throws Problem */
export async function signInAgain(): Promise<void> {
  const { tenant } = await get<Me>('/api/v1/me');
  await toProvider({ ...(tenant !== null && { tenant }), again: true });
}

/** Here, and at the provider if it has a page for that. @throws Problem */
export async function signOut(app: 'console' | 'portal'): Promise<void> {
  const { provider_url: url } = await post<{ provider_url: string | null }>('/auth/sign-out');
  location.assign(url ?? `/${app}/sign-in`);
}
