import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAwsSecretStore } from './create-aws-secret-store.ts';
import { secretsOfTenant } from './secret-store.ts';

interface Question {
  readonly operation: string | undefined;
  readonly secretId: string;
  readonly authorization: string;
}

/** AWS Secrets Manager as far as its JSON protocol is asked for one value. */
async function startSecretsManager() {
  const state = {
    questions: [] as Question[],
    secrets: new Map<string, { text: string; version: string }>(),
    /** Tenants of sessions, by their access keys. */
    sessions: new Map<string, string>(),
    assumed: [] as Record<string, string>[],
    refusesSessions: false,
    /** Instead of the honest answer. */
    reply: undefined as ((response: ServerResponse) => void) | undefined,
  };
  /** AWS STS as far as its query protocol is asked for one session. */
  function assume(body: string, response: ServerResponse): void {
    const asked = Object.fromEntries(new URLSearchParams(body));
    state.assumed.push(asked);
    if (state.refusesSessions)
      return void response
        .writeHead(403, { 'content-type': 'text/xml' })
        .end(
          `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`,
        );
    const key = `ASIA${state.assumed.length}`;
    state.sessions.set(key, asked['Tags.member.1.Value'] ?? '');
    const expiration = new Date(Date.now() + 3_600_000).toISOString();
    const credentials = `<Credentials><AccessKeyId>${key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>${expiration}</Expiration></Credentials>`;
    response
      .writeHead(200, { 'content-type': 'text/xml' })
      .end(
        `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>${credentials}</AssumeRoleResult></AssumeRoleResponse>`,
      );
  }
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      if (body.startsWith('Action=AssumeRole') || body.includes('&Action=AssumeRole')) return assume(body, response);
      const { SecretId } = JSON.parse(body) as { SecretId: string };
      const operation = request.headers['x-amz-target'] as string | undefined;
      state.questions.push({ operation, secretId: SecretId, authorization: request.headers.authorization ?? '' });
      if (state.reply !== undefined) return state.reply(response);
      // As the policy of the role says.
      const tenant = state.sessions.get(/Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '');
      if (tenant !== undefined && !SecretId.startsWith(`longshore/${tenant}/`))
        return fail(response, 400, 'AccessDeniedException');
      const secret = state.secrets.get(SecretId);
      if (secret === undefined) return fail(response, 400, 'ResourceNotFoundException');
      send(response, 200, {
        ARN: `arn:aws:secretsmanager:us-east-1:000000000000:secret:${SecretId}`,
        Name: SecretId,
        SecretString: secret.text,
        VersionId: secret.version,
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    state,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, status: number, type: string): void {
  send(response, status, { __type: type, Message: 'hush: the service would not say this' });
}

let aws: Awaited<ReturnType<typeof startSecretsManager>>;
let clock: number;

beforeEach(async () => {
  aws = await startSecretsManager();
  clock = 0;
  vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', aws.url);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', aws.url);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'none');
  aws.state.secrets.set('longshore/acme/key', { text: 'hush-1\n', version: 'v1' });
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await aws.stop();
});

const openStore = (deadlineMs = 60_000) =>
  createAwsSecretStore({ prefix: 'longshore/', freshMs: 60_000, longestMs: 600_000, deadlineMs, now: () => clock });

async function faultOf(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'SECRET_UNAVAILABLE' });
  return error as Error;
}

test('asks once for a value that many want, under its prefix, and believes it for a minute', async () => {
  const store = openStore();
  const values = await Promise.all(Array.from({ length: 20 }, () => store.read('acme/key')));
  expect(new Set(values)).toEqual(new Set([{ text: 'hush-1', version: 'v1' }]));
  clock = 59_999;
  await store.read('acme/key');
  expect(aws.state.questions).toEqual([
    {
      operation: 'secretsmanager.GetSecretValue',
      secretId: 'longshore/acme/key',
      authorization: expect.stringContaining('/us-east-1/secretsmanager/'),
    },
  ]);
});

test('sees a rotation without a restart', async () => {
  const store = openStore();
  await store.read('acme/key');
  aws.state.secrets.set('longshore/acme/key', { text: 'hush-2', version: 'v2' });
  clock = 60_000;
  expect(await store.read('acme/key')).toEqual({ text: 'hush-2', version: 'v2' });
});

test('reads a secret that was put as bytes', async () => {
  const SecretBinary = Buffer.from('pém').toString('base64');
  aws.state.reply = (response) => send(response, 200, { SecretBinary, VersionId: 'b' });
  expect(await openStore().read('acme/pem')).toEqual({ text: 'pém', version: 'b' });
});

test('does not ask at once again for a secret that is missing, and finds it when it was put', async () => {
  const store = openStore();
  expect((await faultOf(store.read('acme/new'))).message).toContain('acme/new');
  await faultOf(store.read('acme/new'));
  expect(aws.state.questions).toHaveLength(1);
  aws.state.secrets.set('longshore/acme/new', { text: 'there', version: 'n1' });
  clock = 2_000;
  expect((await store.read('acme/new')).text).toBe('there');
});

describe('when the value at hand is old', () => {
  const failures: readonly [string, (response: ServerResponse) => void, number?][] = [
    ['answers 500', (response) => fail(response, 500, 'InternalServiceError')],
    ['throttles', (response) => fail(response, 400, 'ThrottlingException')],
    // Waited out twice, and long enough for the first reading on a busy machine.
    ['hangs', () => {}, 3_000],
    ['resets', (response) => response.socket?.resetAndDestroy()],
  ];
  test.each(failures)(
    'it serves on while the service %s, for ten minutes and no longer',
    async (_what, reply, deadlineMs = 60_000) => {
      const store = openStore(deadlineMs);
      await store.read('acme/key');
      aws.state.reply = reply;
      clock = 100_000;
      expect((await store.read('acme/key')).text).toBe('hush-1');
      const asked = aws.state.questions.length;
      await store.read('acme/key');
      expect(aws.state.questions).toHaveLength(asked);
      clock = 600_000;
      await faultOf(store.read('acme/key'));
    },
  );

  test.each(['ResourceNotFoundException', 'AccessDeniedException'])('it counts no longer after %s', async (type) => {
    const store = openStore();
    await store.read('acme/key');
    aws.state.reply = (response) => fail(response, 400, type);
    clock = 60_000;
    expect((await faultOf(store.read('acme/key'))).message).toContain(type);
    await faultOf(store.read('acme/key'));
  });
});

test.each([
  ['{"SecretString": "hush", "VersionId": '],
  ['{"SecretString": "", "VersionId": "v"}'],
  ['{"SecretString": "hush"}'],
  ['hush'],
])('shows nothing of the reply %j that it cannot use', async (body) => {
  aws.state.reply = (response) => response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(body);
  const error = await faultOf(openStore(2_000).read('acme/key'));
  const shown = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join();
  expect(shown).not.toContain('hush');
});

test.each(['', '../x', 'a/../b', 'arn:aws:secretsmanager:x', '.a', 'a/'])(
  'refuses the name %j unasked',
  async (name) => {
    await faultOf(openStore().read(name));
    expect(aws.state.questions).toEqual([]);
  },
);

test('a tenant reaches its own secrets only', async () => {
  const store = openStore();
  expect((await secretsOfTenant(store, 'acme').read('key')).text).toBe('hush-1');
  await faultOf(secretsOfTenant(store, 'globex').read('key'));
  await faultOf(secretsOfTenant(store, 'globex').read('../acme/key'));
  expect(aws.state.questions.map(({ secretId }) => secretId)).toEqual(['longshore/acme/key', 'longshore/globex/key']);
});

describe('with a role for tenants', () => {
  const ROLE = 'arn:aws:iam::111122223333:role/tenant-secrets';
  const openWithRole = () => createAwsSecretStore({ prefix: 'longshore/', tenantRole: ROLE, now: () => clock });

  test('a secret is read by a session of its tenant, one for all of them, and the fleet’s own without', async () => {
    for (const name of ['acme/other', 'globex/key', 'receipts/key', 'smtp-password'])
      aws.state.secrets.set(`longshore/${name}`, { text: `hush of ${name}`, version: 'v' });
    const store = openWithRole();
    for (const name of ['acme/key', 'acme/other', 'globex/key', 'receipts/key', 'smtp-password'])
      await store.read(name);
    expect(aws.state.assumed).toMatchObject(
      ['acme', 'globex'].map((tenant) => ({
        ...{ RoleArn: ROLE, RoleSessionName: `tenant-${tenant}`, DurationSeconds: '3600' },
        ...{ 'Tags.member.1.Key': 'longshore-tenant', 'Tags.member.1.Value': tenant },
      })),
    );
    const keys = aws.state.questions.map(({ authorization }) => /Credential=([^/]+)/.exec(authorization)?.[1]);
    expect(keys).toEqual(['ASIA1', 'ASIA1', 'ASIA2', 'AKIDEXAMPLE', 'AKIDEXAMPLE']);
  });

  test('what IAM refuses is no longer served, and what is refused once is asked again later', async () => {
    const store = openWithRole();
    aws.state.refusesSessions = true;
    expect(await faultOf(store.read('acme/key'))).toMatchObject({ isPassing: false });
    aws.state.refusesSessions = false;
    clock = 2_000;
    expect((await store.read('acme/key')).text).toBe('hush-1');
  });
});
