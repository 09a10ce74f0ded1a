/** For what takes a sign-in of the last minutes: the provider asks again, and sends the browser back to where it is now. */
import { post } from './client.ts';

/** @throws Problem */
export async function signInAgain(): Promise<void> {
  const { pathname, search } = location;
  const { url } = await post<{ url: string }>('/auth/oidc', { return_to: pathname + search, again: true });
  location.assign(url);
}
