/** What a browser does for a page of ours, as far as the API can tell: it keeps cookies and says which site asks. */
import type { ApiServer } from '#services/control-api/http/api-server.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: ReturnType<typeof JSON.parse>;
}

type Headers = Readonly<Record<string, string>>;

export interface TestBrowser {
  readonly cookies: Map<string, string>;
  get(url: string, headers?: Headers): Promise<Answer>;
  post(url: string, body: object, headers?: Headers): Promise<Answer>;
}

export function createTestBrowser(app: ApiServer): TestBrowser {
  const cookies = new Map<string, string>();

  async function ask(method: 'GET' | 'POST', url: string, given: Headers, payload?: object): Promise<Answer> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const reply = await app.inject({
      method,
      url,
      headers: {
        'sec-fetch-site': 'same-origin',
        ...(cookie === '' ? {} : { cookie }),
        ...(payload === undefined ? {} : { 'x-longshore': '1', 'content-type': 'application/json' }),
        ...given,
      },
      ...(payload === undefined ? {} : { payload }),
    });
    for (const { name, value, maxAge, expires } of reply.cookies) {
      if (maxAge === 0 || (expires !== undefined && expires.getTime() <= Date.now())) cookies.delete(name);
      else cookies.set(name, value);
    }
    const isJson = String(reply.headers['content-type'] ?? '').includes('json');
    return { status: reply.statusCode, headers: reply.headers, body: isJson ? reply.json() : reply.body };
  }

  return {
    cookies,
    get: (url, headers = {}) => ask('GET', url, headers),
    post: (url, body, headers = {}) => ask('POST', url, headers, body),
  };
}

/** Signs in by a one-time link of `key`. */
export async function signInByLink(browser: TestBrowser, app: ApiServer, key: string): Promise<TestBrowser> {
  const made = await app.inject({ method: 'POST', url: '/api/v1/sign-in-links', headers: { 'x-api-key': key } });
  const token = String(made.json().url).split('#link=')[1] ?? '';
  const { status, body } = await browser.post('/auth/link', { token });
  if (status !== 200) throw new Error(`signing in by a link answered ${status}: ${JSON.stringify(body)}`);
  return browser;
}
