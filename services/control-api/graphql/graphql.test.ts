import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerFiles } from '#shared/jobs/register-files.ts';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { arrivedObject, seedJobs, seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { MOST_LOOKUPS } from './limit-queries.ts';

let api: TestApi;
let fileId: string;

beforeAll(async () => {
  api = await startTestApi();
  await seedTenant(api.sql);
  const { files } = await registerFiles(api.sql, [arrivedObject({ key: 'acme/in/a.csv', name: 'a.csv' })], 'test');
  fileId = files[0]?.id ?? '';
});
afterAll(() => api.stop());

async function ask(query: string, { key = api.keys.acme, ...rest }: { key?: string; variables?: object } = {}) {
  const response = await api.app.inject({
    method: 'POST',
    url: '/graphql',
    headers: { 'x-api-key': key },
    payload: { query, ...rest },
  });
  return { code: response.statusCode, body: response.json() };
}

test('the query that is documented is answered with what /status says', async () => {
  const [job] = await seedJobs(api.sql);
  await api.sql`
    UPDATE jobs SET state = 'SUCCEEDED', processed_by = 'partner-worker', started_at = '2026-01-02T03:05:00Z',
      finished_at = '2026-01-02T03:05:04.400Z' WHERE id = ${job!.id}`;
  await api.sql`UPDATE files SET status = 'COMPLETED', open_jobs = 0, finished_at = now() WHERE id = ${job!.fileId}`;
  const query =
    'query GetStatus($id: String!) { getFileStatus(file_id: $id) { file_id status processed_by processing_time_ms } }';
  expect(await ask(query, { variables: { id: job!.fileId } })).toEqual({
    code: 200,
    body: {
      data: {
        getFileStatus: {
          file_id: job!.fileId,
          status: 'completed',
          processed_by: 'partner-worker',
          processing_time_ms: 4400,
        },
      },
    },
  });
});

test('a tenant sees its own files alone; what it does not see is null', async () => {
  const query = `{ byName: getFileStatus(file_id: "a.csv") { file_id } byId: getFileStatus(file_id: "${fileId}") { file_id } }`;
  const found = { data: { byName: { file_id: fileId }, byId: { file_id: fileId } } };
  for (const key of [api.keys.acme, api.keys.operator]) expect((await ask(query, { key })).body).toEqual(found);
  expect((await ask(query, { key: api.keys.globex })).body).toEqual({ data: { byName: null, byId: null } });
  expect((await ask(query, { key: 'not-a-key-of-longshore' })).code).toBe(401);
  expect((await ask('{ getFileStatus(file_id: "a\\u0000b") { file_id } }')).body).toEqual({
    data: { getFileStatus: null },
  });
});

const aliases = (count: number) =>
  Array.from({ length: count }, (_, index) => `a${index}: getFileStatus(file_id: "x") { status }`).join(' ');

const TYPE_NAME = { kind: 'Field', name: { kind: 'Name', value: '__typename' } };
const TREE = {
  kind: 'Document',
  definitions: [
    {
      kind: 'OperationDefinition',
      operation: 'query',
      selectionSet: { kind: 'SelectionSet', selections: [TYPE_NAME] },
    },
  ],
};

test.each([
  ['too many look-ups', `{ ${aliases(MOST_LOOKUPS + 1)} }`, 'over 10 files'],
  [
    'too many over fragments',
    `{ ${aliases(MOST_LOOKUPS)} ...F } fragment F on Query { f: getFileStatus(file_id: "x") { status } }`,
    'over 10 files',
  ],
  ['too many fields', `{ getFileStatus(file_id: "x") { ${'status '.repeat(100)} } }`, 'over 100 fields'],
  ['too deep', '{ __schema { types { fields { type { ofType { ofType { name } } } } } } }', 'over 5 levels'],
  ['a fragment deeper down', '{ __schema { types { ...T } } } fragment T on __Type { name }', 'below the first level'],
  ['an unknown field', '{ getFileStatus(file_id: "x") { key } }', 'Cannot query field'],
  ['a missing argument', '{ getFileStatus { status } }', 'file_id'],
  ['a mutation', 'mutation { x }', 'mutation'],
  [
    'a cycle of fragments',
    '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }',
    'Cannot spread fragment',
  ],
  ['no query', '{', 'Syntax Error'],
  ['a number', '1e400', 'Syntax Error'],
  ['a syntax tree as JSON', JSON.stringify(TREE), 'Syntax Error'],
  ['a syntax tree of another form', '{"kind":"Document","definitions":[null]}', 'Syntax Error'],
  ['too many words', `{ ${'a '.repeat(1_500)}}`, 'more that 1000 tokens'],
])('%s is refused before anything is looked up', async (_what, query, reason) => {
  const { code, body } = await ask(query);
  expect(code).toBe(400);
  expect(body.data).toBe(null);
  expect(JSON.stringify(body.errors)).toContain(reason);
  expect(body.errors[0].extensions.code).toBe('REQUEST_INVALID');
});

test('as many look-ups as are allowed are answered, and introspection of a type', async () => {
  expect(Object.keys((await ask(`{ ${aliases(MOST_LOOKUPS)} }`)).body.data)).toHaveLength(MOST_LOOKUPS);
  expect((await ask('{ __type(name: "FileStatus") { fields { name } } }')).body.data.__type.fields).toHaveLength(4);
});

test('a body that is too long, of another form, or asks by GET, is refused as elsewhere', async () => {
  expect((await ask(' '.repeat(4_001))).body.code).toBe('REQUEST_INVALID');
  expect(
    (await api.app.inject({ url: '/graphql?query={a}', headers: { 'x-api-key': api.keys.acme } })).statusCode,
  ).toBe(404);
});
