import { expect, it } from 'vitest';
import { toErrorReply } from './error-reply.ts';

const failure = (code: string) => Object.assign(new Error('of the driver'), { code });

it.each(['25006', '57P01', '08006', 'ECONNREFUSED', 'EHOSTUNREACH', 'CONNECTION_CLOSED'])(
  'says of %s that the database is away, also where Drizzle wrapped it',
  (code) => {
    for (const error of [failure(code), new Error('wrapped', { cause: failure(code) })]) {
      expect(toErrorReply(error)).toMatchObject({ status: 503, body: { code: 'DEPENDENCY_UNAVAILABLE' } });
    }
  },
);

it('says nothing of what is not known', () => {
  const reply = toErrorReply(failure('42P01'));
  expect(reply).toMatchObject({ status: 500, body: { code: 'INTERNAL' } });
  expect(JSON.stringify(reply)).not.toContain('of the driver');
});
