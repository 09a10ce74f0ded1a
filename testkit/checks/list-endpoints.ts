/** Every endpoint of the API's own description, for tests that go through all of them: one that is new is tried without being named. */
import type { ApiServer } from '#services/control-api/http/api-server.ts';
import type { ApiDocument, ApiSchema } from './read-api-document.ts';

export interface Endpoint {
  /** `GET /api/v1/files/{id}` */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Names of the parameters of its query. */
  readonly query: readonly string[];
  /** Of a JSON body, with its `$ref` followed. */
  readonly body: ApiSchema | undefined;
}

/** They answer as long as somebody reads. */
const STREAMS = ['/api/v1/jobs/{id}/events', '/api/v1/live'];

export function listEndpoints(app: ApiServer): Endpoint[] {
  const { paths, components } = app.swagger() as unknown as ApiDocument;
  return Object.entries(paths)
    .filter(([path]) => !STREAMS.includes(path))
    .flatMap(([path, operations]) =>
      Object.entries(operations).map(([lowerCase, { parameters = [], requestBody }]) => {
        const method = lowerCase.toUpperCase() as Endpoint['method'];
        const schema = requestBody?.content['application/json']?.schema;
        const schemaName = schema?.$ref?.split('/').at(-1);
        const query = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
        const body = schemaName === undefined ? schema : components.schemas[schemaName];
        return { name: `${method} ${path}`, method, path, query, body };
      }),
    );
}
