/**
 * Gives each body a schema with a name, so that what is generated from the document has types with names that stay: an operation's
 * `getFiles` answers `GetFilesReply` and takes `GetFilesRequest`, unless its schema has a name already. Equal ones are one schema, by the
 * first of the names or by what they share. What nothing refers to is dropped.
 */
interface Media {
  schema?: Record<string, unknown>;
}
interface Content {
  content?: Record<string, Media>;
}
interface Operation {
  operationId?: string;
  requestBody?: Content;
  responses?: Record<string, Content>;
}
interface ApiDescription {
  readonly paths?: Record<string, Record<string, Operation>>;
  readonly components?: { schemas?: Record<string, unknown> };
}

/** What many operations have, by the name that the first of them would give it. */
const SHARED: Readonly<Record<string, string>> = {
  PostFilesByIdRerouteRequest: 'Reason',
  PostCampaignsByIdPauseRequest: 'OptionalReason',
  GetSuppressionsByAddressReply: 'Suppressions',
  PostRoutesRequest: 'DefinitionText',
  PostRoutesReply: 'AppliedDefinitions',
  GetRoutesByTenantByNameVersionsReply: 'DefinitionVersions',
  PostAuthMailConfirmReply: 'SignedIn',
  PostPeopleByIdRoleReply: 'Person',
  PostPeopleByIdEndSessionsReply: 'EndedSessions',
  PostTenantsByTenantDisableReply: 'Availability',
};
const REFERENCE = /"#\/components\/schemas\/([^"]+)"/g;

export function nameSchemas({ paths = {}, components = {} }: ApiDescription): void {
  const schemas = components.schemas ?? {};
  components.schemas = schemas;
  const names = new Map<string, string>();

  function name({ content = {} }: Content, wanted: string): void {
    for (const media of Object.values(content)) {
      const { schema } = media;
      if (schema === undefined || '$ref' in schema || schema.type === 'string') continue;
      const { description: _, ...shape } = schema;
      const text = JSON.stringify(shape);
      const known = names.get(text) ?? SHARED[wanted] ?? wanted;
      names.set(text, known);
      schemas[known] ??= shape;
      media.schema = { $ref: `#/components/schemas/${known}` };
    }
  }

  for (const operations of Object.values(paths))
    for (const { operationId = '', requestBody = {}, responses = {} } of Object.values(operations)) {
      const title = operationId.charAt(0).toUpperCase() + operationId.slice(1);
      name(requestBody, `${title}Request`);
      for (const [status, reply] of Object.entries(responses))
        name(reply, /^2/.test(status) ? `${title}Reply` : `${title}Reply${status}`);
    }
  dropUnused(paths, schemas);
}

function dropUnused(paths: object, schemas: Record<string, unknown>): void {
  const used = new Set<string>();
  const follow = (part: unknown): void => {
    for (const [, reference = ''] of JSON.stringify(part).matchAll(REFERENCE)) {
      if (used.has(reference)) continue;
      used.add(reference);
      follow(schemas[reference] ?? null);
    }
  };
  follow(paths);
  for (const schema of Object.keys(schemas)) if (!used.has(schema)) delete schemas[schema];
}
