/**
 * `/openapi.json` and `/docs`, made from the schemas of the routes.
 *
 * Replies are described as open: fields are added over time, and a client that was generated from an older description continues working.
 */
import swagger, { type SwaggerTransform } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { ApiServer } from './api-server.ts';
import { nameSchemas } from './name-schemas.ts';
import { addReplyExamples } from './reply-examples.ts';
import { exampleOf } from './request-examples.ts';

const TAGS = [
  { name: 'files', description: 'Where files are. A key of a tenant sees the tenant’s own.' },
  { name: 'uploads', description: 'Sending files over HTTP, in parts or as one body, and downloading them.' },
  { name: 'batches', description: 'Files that a route takes together.' },
  { name: 'expectations', description: 'Files that are to come: when they are due, and what came.' },
  { name: 'campaigns', description: 'Templates, files of recipients, campaigns, and what happened to each mail.' },
  { name: 'jobs', description: 'One file on one route, its steps, and what operators do about them.' },
  { name: 'actions', description: 'One action on many jobs, files or dead letters: previewed, then run at a pace.' },
  { name: 'proposals', description: 'Changes that one person asks for and another makes.' },
  { name: 'records', description: 'The rows of a record file, each on its way through the calls of its route.' },
  {
    name: 'pulls',
    description: 'Files fetched from partners’ servers: pulls, the sources that find them, and the remotes.',
  },
  { name: 'audit', description: 'Who did what, in a chain of hashes per tenant. Takes the permission audit:read.' },
  {
    name: 'routes',
    description: 'Tenants and what they define: routes, partners and stores. Applying takes an operator.',
  },
  { name: 'operations', description: 'Health, queues, dead letters, notices, API keys. Most of it takes an operator.' },
  { name: 'retention', description: 'For how long files are kept, legal holds, certificates of deletion, restores.' },
  {
    name: 'access',
    description:
      'Who may do what: keys, people and their sessions; taking tenants, routes and SFTP users out of use and back.',
  },
];

/** A route file: YAML, or the same as JSON; its own parser says what is wrong with it, by line and column. */
const ROUTE_FILES_BODY = {
  description: 'A route file as docs/reference/route.schema.json describes it, or several as `files`.',
  anyOf: [
    { type: 'string' },
    {
      type: 'object',
      required: ['files'],
      properties: {
        files: {
          type: 'array',
          items: {
            type: 'object',
            required: ['name', 'text'],
            properties: { name: { type: 'string' }, text: { type: 'string' } },
          },
        },
      },
    },
  ],
};

export async function describeApi(app: ApiServer): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Longshore control API',
        description: 'Shows where files are and what happened to them, and manages routes.',
        version: '1',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
          bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: '__Host-longshore-console',
            description:
              'Of a person who signed in; `__Host-longshore-portal` for a tenant’s. For pages of the same origin, which send `x-longshore: 1` with whatever is not a GET.',
          },
        },
      },
      security: [{ apiKey: [] }, { bearer: [] }, { session: [] }],
    },
    transform: describeRoute,
    transformObject: (document) => {
      const described = jsonSchemaTransformObject(document);
      openReplies((described as { components?: unknown }).components);
      nameSchemas(described as Parameters<typeof nameSchemas>[0]);
      addReplyExamples(described as Parameters<typeof addReplyExamples>[0]);
      return described;
    },
  });
  app.addHook('onRoute', (route) => {
    if (/^\/docs(?:\/|$)/.test(route.url)) route.config = { ...route.config, isPublic: true };
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP:
      "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self'; form-action 'none'; frame-ancestors 'none'; " +
      "img-src 'self' data:; script-src 'self'; style-src 'self' 'unsafe-inline'",
  });
  app.get('/openapi.json', { schema: { hide: true }, config: { isPublic: true } }, (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(app.swagger())),
  );
}

/** A path of several parts has no template of its own in OpenAPI: `/files/*` would be `/files/{id}` once more. */
const WILDCARD = { from: '/api/v1/files/*', to: '/api/v1/files/:directory/:name' };
const PATH_PARAMS = {
  type: 'object',
  required: ['directory', 'name'],
  properties: {
    directory: { type: 'string', description: 'In the tenant’s home; may have several parts, and may be left out.' },
    name: { type: 'string', description: 'Of the file.' },
  },
};

const describeRoute: SwaggerTransform = (given) => {
  const { schema, url } = jsonSchemaTransform(given as Parameters<typeof jsonSchemaTransform>[0]);
  const { method, config } = given.route;
  if (schema === undefined || 'hide' in schema || typeof method !== 'string') return { schema, url };
  const operationId = operationIdOf(method, url);
  const described = { ...schema, operationId } as Record<string, unknown>;
  if (config?.isPublic) described.security = [];
  // Whatever takes YAML takes route files.
  const takesYaml = schema.consumes?.includes('application/yaml') === true;
  if (takesYaml) described.body = ROUTE_FILES_BODY;
  if (described.body !== undefined) described.body = withExample(described.body as Schema, operationId, takesYaml);
  const replies = described.response as Record<string, Record<string, unknown>> | undefined;
  openReplies(replies);
  // Replies without a description would all be called "Default Response".
  for (const reply of Object.values(replies ?? {})) reply.description ??= described.summary;
  if (url !== WILDCARD.from) return { schema: described, url };
  return { schema: { ...described, params: PATH_PARAMS }, url: WILDCARD.to };
};

type Schema = Readonly<Record<string, unknown>>;

function withExample(body: Schema, operationId: string, takesYaml: boolean): Schema {
  const value = exampleOf(operationId, body, takesYaml);
  return value === undefined ? body : { ...body, 'x-examples': { one: { value } } };
}

/** `GET /api/v1/jobs/:id/records` is `getJobsByIdRecords`. */
function operationIdOf(method: string, url: string): string {
  const words = url
    .replace(/^\/api\/v1/, '')
    .split(/[/-]/)
    .filter((part) => part !== '')
    .map((part) => (part === '*' ? 'byPath' : part.startsWith(':') ? `by${capitalised(part.slice(1))}` : part));
  return method.toLowerCase() + words.map(capitalised).join('');
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function openReplies(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const fields = schema as Record<string, unknown>;
  if (fields.additionalProperties === false) delete fields.additionalProperties;
  for (const part of Object.values(fields)) openReplies(part);
}
