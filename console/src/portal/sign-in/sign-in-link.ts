/** The token of a sign-in link. It is in the fragment, which no server and no log sees. */
export interface SignInLink {
  readonly way: 'mail' | 'link';
  readonly token: string;
}

export function linkOf(fragment: string): SignInLink | undefined {
  const [, way, token] = /^#(mail|link)=([\w-]{16,})$/.exec(fragment) ?? [];
  return token === undefined ? undefined : { way: way as SignInLink['way'], token };
}

export function isLink(fragment: string): boolean {
  return linkOf(fragment) !== undefined;
}
