import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LongshoreError } from '#shared/errors.ts';
import { toErrorReply } from './error-reply.ts';

const failure = (code: string) => Object.assign(new Error('of the driver'), { code });

it('says of a store that does not answer neither its address nor its buckets', () => {
  const message = 'upload to landing/acme/a.csv: connect ECONNREFUSED 10.1.2.3:9000';
  expect(toErrorReply(new LongshoreError('OBJECT_STORE_UNAVAILABLE', message))).toMatchObject({
    status: 503,
    body: { code: 'OBJECT_STORE_UNAVAILABLE', message: 'The object store did not answer.' },
  });
});

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

/** A fault of ours, wherever it is thrown. */
const OURS = ['INTERNAL', 'CONFIG_INVALID'];

it('has a status for every code that an endpoint throws', () => {
  const root = join(import.meta.dirname, '..');
  const files = globSync('**/*.ts', { cwd: root, exclude: ['**/*.test.ts'] });
  const thrown = files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/new LongshoreError\(\s*'([A-Z_]+)'/g)].map(([, code]) => code),
  );
  expect(thrown.length).toBeGreaterThan(50);
  const unknown = [...new Set(thrown)].filter((code) => {
    const { body } = toErrorReply(new LongshoreError(code as 'NOT_FOUND', 'said'));
    return body.code !== code && !OURS.includes(code ?? '');
  });
  expect(unknown).toEqual([]);
});
