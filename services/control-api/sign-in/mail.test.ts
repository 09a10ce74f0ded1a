/** People of tenants sign in by mail. */
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { createTestBrowser, signInByLink, type TestBrowser } from '#testkit/beds/test-browser.ts';

import { runBehind } from '#testkit/checks/run-behind.ts';
import { beginMailSignIn } from './mail-sign-ins.ts';

const PORTAL = 'https://portal.example';

let api: TestApi;
let smtp: SMTPServer;
let admin: TestBrowser;
let mails: { to: string[]; body: string }[] = [];
let isHeld = false;
let release: () => void = () => undefined;

beforeAll(async () => {
  smtp = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onData: (stream, session, callback) => {
      void text(stream).then((body) => {
        const mail = { to: session.envelope.rcptTo.map(({ address }) => address), body };
        const take = () => {
          mails.push(mail);
          callback(null);
        };
        if (isHeld) release = take;
        else take();
      });
    },
  });
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
  const { port } = smtp.server.address() as AddressInfo;
  api = await startTestApi({
    signIn: { hasLinks: true, consoleOrigin: undefined, portalOrigin: PORTAL },
    mailServer: { host: '127.0.0.1', port, tls: 'none', from: 'Longshore <longshore@example.com>' },
  });
  admin = await signInByLink(createTestBrowser(api.app), api.app, api.keys.operator);
});
afterAll(async () => {
  await api.stop();
  await new Promise<void>((resolve) => smtp.close(() => resolve()));
});
beforeEach(async () => {
  mails = [];
  isHeld = false;
  await api.sql`DELETE FROM sign_ins`;
  await api.sql`DELETE FROM used_once`;
});

let count = 0;
async function invite(tenant = 'acme', email?: string): Promise<{ email: string; id: string }> {
  count += 1;
  const address = email ?? `person${count}@acme.example`;
  const reply = await admin.post('/api/v1/people', { tenant, email: address, name: 'A person', role: 'sender' });
  return { email: address, id: reply.body.person_id };
}

async function askFor(browser: TestBrowser, email: string) {
  const { status, body } = await browser.post('/auth/mail', { email });
  expect([status, body]).toEqual([202, { code: expect.stringMatching(/^\d{6}$/), minutes: 15 }]);
  return body.code as string;
}

/** Of the only mail to the address; those of other tests may still come. */
async function tokensMailed(email: string): Promise<string[]> {
  const own = () => mails.filter(({ to }) => to[0] === email);
  await expect.poll(() => own().length).toBe(1);
  return [
    ...own()[0]!
      .body.replaceAll('=\r\n', '')
      .replaceAll('=3D', '=')
      .matchAll(/#mail=([\w-]{43})/g),
  ].map(([, token]) => token!);
}

const confirm = (browser: TestBrowser, token: string, code?: string) =>
  browser.post('/auth/mail/confirm', { token, ...(code !== undefined && { code }) });

test('the link of the mail signs the asking browser in, once', async () => {
  const { email } = await invite();
  const browser = createTestBrowser(api.app);
  await askFor(browser, email.toUpperCase());
  const [token] = await tokensMailed(email);
  expect(mails.find(({ to }) => to[0] === email)).toMatchObject({
    to: [email],
    body: expect.stringContaining(`${PORTAL}/portal/sign-in#mail`),
  });
  expect(await confirm(browser, token!)).toMatchObject({ status: 200, body: { app: 'portal' } });
  expect((await browser.get('/api/v1/me')).body).toMatchObject({
    actor: `person:acme:${email}`,
    tenant: 'acme',
    role: 'sender',
    session: { way: 'mail' },
  });
  expect(await confirm(browser, token!)).toMatchObject({ status: 410, body: { code: 'LINK_INVALID' } });
  expect(await confirm(createTestBrowser(api.app), token!)).toMatchObject({ status: 410 });
});

test('of the same link used by many at the same moment one signs in, and its code is not guessed side by side', async () => {
  const { email } = await invite();
  const browser = createTestBrowser(api.app);
  const code = await askFor(browser, email);
  const [token] = await tokensMailed(email);
  const wrong = code === '000000' ? '111111' : '000000';
  const guesses = await Promise.all(
    Array.from({ length: 20 }, () => confirm(createTestBrowser(api.app), token!, wrong)),
  );
  expect(guesses.filter(({ status }) => status === 200)).toEqual([]);
  expect(guesses.filter(({ body }) => body.code === 'MAIL_CODE_NEEDED')).toHaveLength(5);
  // Those guesses spent it, for the browser that asked, too.
  expect((await confirm(browser, token!)).status).toBe(410);
  mails = [];
  await askFor(browser, email);
  const [next] = await tokensMailed(email);
  const uses = await Promise.all(Array.from({ length: 8 }, () => confirm(browser, next!)));
  expect(uses.map(({ status }) => status).toSorted()).toEqual([200, ...Array(7).fill(410)]);
});

test('in another browser it takes the code of the asking one, with five tries', async () => {
  const { email } = await invite();
  const [mine, other] = [createTestBrowser(api.app), createTestBrowser(api.app)];
  const code = await askFor(mine, email);
  const [token] = await tokensMailed(email);
  const wrong = code === '000000' ? '000001' : '000000';
  const needed = { status: 403, body: { code: 'MAIL_CODE_NEEDED' } };
  for (let look = 0; look < 9; look += 1) expect(await confirm(other, token!)).toMatchObject(needed);
  for (let guess = 0; guess < 4; guess += 1) expect(await confirm(other, token!, wrong)).toMatchObject(needed);
  expect(await confirm(other, token!, code)).toMatchObject({ status: 200 });

  mails = [];
  const second = await askFor(mine, email);
  const [next] = await tokensMailed(email);
  for (let guess = 0; guess < 5; guess += 1) await confirm(other, next!, second === wrong ? '111111' : wrong);
  expect(await confirm(other, next!, second)).toMatchObject({ status: 410 });
  expect(await confirm(mine, next!)).toMatchObject({ status: 410 });
});

test('an address that nobody has gets the same answer, without waiting for any mail', async () => {
  const { email } = await invite();
  isHeld = true;
  const [known, unknown] = [createTestBrowser(api.app), createTestBrowser(api.app)];
  const answers = [
    await known.post('/auth/mail', { email }),
    await unknown.post('/auth/mail', { email: 'nobody@acme.example' }),
  ];
  expect(mails.filter(({ to }) => to[0] === email)).toEqual([]);
  const shape = ({ status, headers, body }: (typeof answers)[number]) => [
    status,
    Object.keys(headers).sort(),
    Object.keys(body),
  ];
  expect(shape(answers[0]!)).toEqual(shape(answers[1]!));
  expect([...known.cookies.keys()]).toEqual([...unknown.cookies.keys()]);
  await expect.poll(() => String(release)).toContain('mails.push');
  release();
  await tokensMailed(email);
  expect(mails.filter(({ to }) => to[0] === 'nobody@acme.example')).toEqual([]);
});

test('five an hour for an address, whether anybody has it or not', async () => {
  const { email } = await invite();
  for (const address of [email, 'nobody-at-all@acme.example']) {
    const browser = createTestBrowser(api.app);
    for (let time = 0; time < 5; time += 1) await askFor(browser, address);
    const refused = await browser.post('/auth/mail', { email: address });
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(refused.headers['retry-after']).toBe('3600');
  }
});

test('five an hour for an address, also of those who ask in the same moment', async () => {
  const { email } = await invite();
  const ask = (sql: typeof api.sql, address: string) => beginMailSignIn(sql, { email, browser: 'a browser', address });
  for (let time = 1; time <= 4; time += 1) expect(await ask(api.sql, `192.0.2.${time}`)).toBeDefined();
  const last = await runBehind(
    api.sql,
    async (other) => expect(await ask(other, '192.0.2.5')).toBeDefined(),
    () => ask(api.sql, '192.0.2.6'),
  );
  expect(last).toBeUndefined();
});

test('twenty an hour from one network address', async () => {
  const browser = createTestBrowser(api.app);
  for (let time = 0; time < 20; time += 1) await askFor(browser, `nobody${time}@acme.example`);
  expect(await browser.post('/auth/mail', { email: 'one-more@acme.example' })).toMatchObject({ status: 429 });
  await api.sql`UPDATE used_once SET expires_at = expires_at - interval '61 minutes'`;
  await askFor(browser, 'one-more@acme.example');
});

test('a link ends after fifteen minutes, and with its person or tenant', async () => {
  const { email, id } = await invite();
  const browser = createTestBrowser(api.app);
  const next = async () => {
    mails = [];
    await askFor(browser, email);
    return (await tokensMailed(email))[0]!;
  };
  const late = await next();
  const [row] = await api.sql<{ minutes: number }[]>`
    SELECT extract(epoch FROM expires_at - now())::float8 / 60 AS minutes FROM sign_ins WHERE person_id IS NOT NULL`;
  expect(row?.minutes).toBeGreaterThan(14);
  expect(row?.minutes).toBeLessThanOrEqual(15);
  await api.sql`UPDATE sign_ins SET expires_at = now()`;
  expect((await confirm(browser, late)).status).toBe(410);
  const token = await next();
  await admin.post(`/api/v1/people/${id}/disable`, { reason: 'left' });
  expect((await confirm(browser, token)).status).toBe(410);
  mails = [];
  await askFor(browser, email);
  await admin.post(`/api/v1/people/${id}/enable`, { reason: 'back' });
  expect(mails.filter(({ to }) => to[0] === email)).toEqual([]);
  const last = await next();
  await api.sql`UPDATE tenants SET disabled_at = now() WHERE id = 'acme'`;
  expect((await confirm(browser, last)).status).toBe(410);
  await api.sql`UPDATE tenants SET disabled_at = NULL`;
});

test('somebody of two tenants chooses by the link', async () => {
  const { email } = await invite('acme', 'both@agency.example');
  await invite('globex', email);
  const browser = createTestBrowser(api.app);
  await askFor(browser, email);
  const tokens = await tokensMailed(email);
  expect(tokens).toHaveLength(2);
  await confirm(browser, tokens[1]!);
  expect((await browser.get('/api/v1/me')).body).toMatchObject({ tenant: 'globex' });
  await confirm(browser, tokens[0]!);
  expect((await browser.get('/api/v1/me')).body).toMatchObject({ tenant: 'acme' });
});

test('neither token nor code are in the database or the log', async () => {
  const { email } = await invite();
  const code = await askFor(createTestBrowser(api.app), email);
  const [token] = await tokensMailed(email);
  const rows = JSON.stringify(await api.sql`SELECT * FROM sign_ins`);
  for (const secret of [code, token!]) {
    expect(rows).not.toContain(`"${secret}`);
    expect(api.logged.join('\n')).not.toContain(`"${secret}`);
  }
});

test('the ways to sign in are said, and without a mail server there is none by mail', async () => {
  expect((await createTestBrowser(api.app).get('/auth/ways')).body).toEqual({
    link: true,
    oidc: false,
    tenant_oidc: false,
    mail: true,
  });
  const without = await startTestApi();
  try {
    const browser = createTestBrowser(without.app);
    expect((await browser.get('/auth/ways')).body).toEqual({
      link: true,
      oidc: false,
      tenant_oidc: false,
      mail: false,
    });
    expect(await browser.post('/auth/mail', { email: 'a@acme.example' })).toMatchObject({
      status: 403,
      body: { code: 'SIGN_IN_INSECURE' },
    });
  } finally {
    await without.stop();
  }
});
