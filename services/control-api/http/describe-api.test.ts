/** What programs are generated from, and pages are shown by. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';

interface Operation {
  readonly operationId?: string;
  readonly tags?: readonly string[];
  readonly requestBody?: { readonly content: Record<string, unknown> };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

let api: TestApi;
let document: Document;
let operations: Operation[];
beforeAll(async () => {
  api = await startTestApi();
  document = (await api.app.inject({ url: '/openapi.json' })).json();
  operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
});
afterAll(() => api.stop());

test('every operation has an id of its own, a tag that is described, and replies that are described', () => {
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(operations.length);
  for (const id of ids) expect(id).toMatch(/^(get|post|put|delete)[A-Z][A-Za-z]*$/);
  expect(ids).toContain('postJobsByIdRetry');
  const described = document.tags.map(({ name }) => name);
  for (const { tags = [], responses } of operations) {
    expect(described).toContain(tags[0]);
    for (const { description } of Object.values(responses)) expect(description).not.toMatch(/^(Default Response)?$/);
  }
});

test('what several replies have is a schema with a name, and every reference has its schema', () => {
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? '');
  expect(new Set(references)).toEqual(new Set(references.filter((name) => name in document.components.schemas)));
  for (const name of ['Error', 'File', 'FileStatus', 'Job', 'JobDetail', 'Record', 'Route'])
    expect(references).toContain(name);
});

test('replies are open for further fields', () => {
  const replies = operations.map(({ responses }) => responses);
  expect(JSON.stringify([replies, document.components])).not.toContain('"additionalProperties":false');
});

test('applying route files has a body, as YAML and as JSON', () => {
  const body = document.paths['/api/v1/routes']?.post?.requestBody;
  expect(Object.keys(body?.content ?? {})).toEqual(['application/yaml', 'application/json']);
});

test('the page is shown in no frame and runs no script but its own', async () => {
  const { headers } = await api.app.inject({ url: '/docs/static/index.html' });
  expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'.*script-src 'self';/);
});
