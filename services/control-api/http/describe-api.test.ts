/** What programs are generated from, and pages are shown by. */
import { Ajv2020 as Ajv } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi, type TestApi } from '#testkit/beds/start-test-api.ts';
import { REQUEST_EXAMPLES } from './request-examples.ts';

type Content = Readonly<Record<string, { readonly schema?: { readonly $ref?: string } }>>;
interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema?: object;
  }[];
  readonly tags?: readonly string[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
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

test('every body of JSON is a schema with a name, and no schema is without a use', () => {
  const bodies = operations.flatMap(({ operationId, requestBody, responses }) =>
    [requestBody, ...Object.values(responses)].flatMap((part) => {
      const schema = part?.content?.['application/json']?.schema;
      return schema === undefined ? [] : [{ operationId, $ref: schema.$ref }];
    }),
  );
  expect(bodies.length).toBeGreaterThan(400);
  expect(bodies.filter(({ $ref }) => $ref === undefined)).toEqual([]);
  const text = JSON.stringify(document);
  const names = Object.keys(document.components.schemas);
  expect(names.filter((name) => !text.includes(`"#/components/schemas/${name}"`))).toEqual([]);
});

test('every reply of JSON has an example that its schema takes', () => {
  const ajv = new Ajv({ strict: false, logger: false });
  ajv.addSchema({ $id: 'api', ...document });
  const names = new Set(
    operations.flatMap(({ responses }) =>
      Object.values(responses).flatMap(({ content }) => {
        const name = content?.['application/json']?.schema?.$ref?.split('/').at(-1);
        return name === undefined ? [] : [name];
      }),
    ),
  );
  expect(names.size).toBeGreaterThan(100);
  for (const name of names) {
    const { examples = [] } = document.components.schemas[name] as { examples?: unknown[] };
    expect([name, examples.length]).toEqual([name, 1]);
    const fits = ajv.getSchema(`api#/components/schemas/${name}`);
    expect([name, fits?.(examples[0]), fits?.errors, examples[0]]).toEqual([name, true, null, examples[0]]);
  }
  const example = (document.components.schemas.FileStatus as { examples: object[] }).examples[0];
  expect(example).toMatchObject({
    file_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    status: 'completed',
    customer_id: 'acme',
  });
});

test('what is public takes no key, and every example is of an operation', () => {
  const open = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { security }]) => (security?.length === 0 ? [`${method} ${path}`] : [])),
  );
  expect(open).toEqual([
    'get /u/{token}',
    'post /u/{token}',
    'post /auth/oidc',
    'post /auth/mail',
    'post /auth/mail/confirm',
    'get /auth/ways',
    'post /auth/link',
  ]);
  const ids = new Set(operations.map(({ operationId }) => operationId));
  expect(Object.keys(REQUEST_EXAMPLES).filter((id) => !ids.has(id))).toEqual([]);
});

test('path parameters are those of the path, and what is without security says so', () => {
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, { parameters = [], responses, security, summary }] of Object.entries(methods)) {
      const inPath = parameters.filter((parameter) => parameter.in === 'path');
      const named = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      expect([method, path, inPath.map(({ name }) => name).sort()]).toEqual([method, path, named.sort()]);
      expect(inPath.every(({ required, schema }) => required === true && schema !== undefined)).toBe(true);
      const names = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      expect(new Set(names).size).toBe(names.length);
      expect([path, summary]).toEqual([path, expect.stringMatching(/^[A-Z].*[^.]$/s)]);
      expect([path, Object.keys(responses).some((status) => /^[123]/.test(status))]).toEqual([path, true]);
      if (!path.startsWith('/api/v1')) continue;
      expect([path, security ?? 'as all']).toEqual([path, 'as all']);
    }
});

function isReference(schema: object): boolean {
  return Object.keys(schema).join() === '$ref';
}

test('every schema compiles', () => {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'api', ...document });
  const pointers: string[] = [];
  const visit = (node: unknown, pointer: string): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      const at = `${pointer}/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`;
      if (key !== 'schema') visit(value, at);
      // One with a name is compiled once, below; that the name has its schema is tested above.
      else if (!isReference(value)) pointers.push(at);
    }
  };
  visit(document.paths, '/paths');
  for (const name of Object.keys(document.components.schemas)) pointers.push(`/components/schemas/${name}`);
  expect(pointers.length).toBeGreaterThan(300);
  for (const pointer of pointers) expect(() => ajv.compile({ $ref: `api#${pointer}` }), pointer).not.toThrow();
});

test('replies are open for further fields', () => {
  const requests = operations.flatMap(({ requestBody }) =>
    Object.values(requestBody?.content ?? {}).map(({ schema }) => schema?.$ref?.split('/').at(-1)),
  );
  const replies = operations.map(({ responses }) => responses);
  const theirs = Object.entries(document.components.schemas).filter(([name]) => !requests.includes(name));
  expect(theirs.length).toBeGreaterThan(100);
  for (const part of [...replies, ...theirs])
    expect(JSON.stringify(part)).not.toContain('"additionalProperties":false');
});

test('applying route files has a body, as YAML and as JSON', () => {
  const body = document.paths['/api/v1/routes']?.post?.requestBody;
  expect(Object.keys(body?.content ?? {})).toEqual(['application/yaml', 'application/json']);
});

test('the page is shown in no frame and runs no script but its own', async () => {
  const { headers } = await api.app.inject({ url: '/docs/static/index.html' });
  expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'.*script-src 'self';/);
});
