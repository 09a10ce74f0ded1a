import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { bundleFunction } from './bundle-function.ts';

const run = promisify(execFile);

test("the authorizer's bundle runs by itself, without the repository, and refuses a request without a token", async () => {
  const bundle = pathToFileURL(join(bundleFunction('authorizer'), 'lambda.mjs')).href;
  const program = `
    const { handler } = await import('${bundle}');
    const methodArn = 'arn:aws:execute-api:us-east-1:111122223333:api/live/POST/validation';
    const answer = await handler({ type: 'TOKEN', methodArn, authorizationToken: '' }).catch((error) => error.message);
    process.stderr.write(JSON.stringify(answer));`;
  const { stderr } = await run(process.execPath, ['--input-type=module', '-e', program], {
    cwd: '/',
    env: {
      LONGSHORE_AUTHORIZER_ISSUER: 'https://login.example/',
      LONGSHORE_AUTHORIZER_AUDIENCE: 'partners',
      LONGSHORE_AUTHORIZER_JWKS_URL: 'https://login.example/jwks.json',
      LONGSHORE_AUTHORIZER_RULES: '[{"method":"POST","path":"/validation","scopes":["rfi.validate"]}]',
      LOG_LEVEL: 'silent',
    },
  });
  expect(stderr).toBe('"Unauthorized"');
});

test('the bundle of SFTP logins signs in to the database by itself, and throws when it does not answer', async () => {
  const bundle = pathToFileURL(join(bundleFunction('sftp-logins'), 'lambda.mjs')).href;
  const program = `
    const { handler } = await import('${bundle}');
    const answer = await handler({ username: 'acme', protocol: 'SFTP', serverId: 's-1', sourceIp: '192.0.2.1' }).catch((error) => error);
    process.stderr.write(JSON.stringify([answer.code, answer.cause?.code]));
    process.exit(0);`;
  const { stderr } = await run(process.execPath, ['--input-type=module', '-e', program], {
    cwd: '/',
    env: {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      // Nobody listens there.
      DATABASE_URL: 'postgres://longshore_logins@127.0.0.1:1/longshore',
      DATABASE_IAM_AUTH: 'true',
      LONGSHORE_SFTP_SESSION_ROLE: 'arn:aws:iam::111122223333:role/sessions',
      LOG_LEVEL: 'silent',
    },
  });
  expect(stderr).toBe('["DEPENDENCY_UNAVAILABLE","ECONNREFUSED"]');
});
