import { afterEach, expect, test, vi } from 'vitest';
import { createIamPassword } from './iam-password.ts';

afterEach(() => vi.unstubAllEnvs());

test('signs a token for the host, port and user of the URL', async () => {
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'none');
  const password = createIamPassword('postgres://longshore_app@db.example:5433/longshore?sslmode=verify-full');
  const token = new URL(`https://${await password()}`);
  expect(token.host).toBe('db.example:5433');
  expect(Object.fromEntries(token.searchParams)).toMatchObject({
    Action: 'connect',
    DBUser: 'longshore_app',
    'X-Amz-Expires': '900',
    'X-Amz-Credential': expect.stringContaining('/eu-central-1/rds-db/'),
  });
});
