import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { bundleAuthorizer } from './bundle-authorizer.ts';

const run = promisify(execFile);

test('the bundle runs by itself, without the repository, and refuses a request without a token', async () => {
  const bundle = pathToFileURL(join(bundleAuthorizer(), 'lambda.mjs')).href;
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
