/** The JSON Schema of a document in a route file, for editors: as authors write it, with the short forms that the parser expands. */
import { z } from 'zod';
import { routeFileDocumentSchema } from '#shared/definitions/routes/route-schema.ts';

type JsonSchema = Record<string, unknown>;

export function routeFileJsonSchema(): JsonSchema {
  return {
    title: 'Longshore route file: a tenant, a route, a partner or a store',
    ...z.toJSONSchema(routeFileDocumentSchema, {
      io: 'input',
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        if (isShortened(zodSchema)) acceptShortForm(jsonSchema as JsonSchema);
      },
    }),
  };
}

/** `z.preprocess` is a transform in front of a schema. */
function isShortened(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodPipe && schema.in instanceof z.ZodTransform;
}

/** One element for a list of one, nothing for an empty object, a name for everything else. */
function acceptShortForm(schema: JsonSchema): void {
  const full = { ...schema };
  for (const key of Object.keys(schema)) delete schema[key];
  const short = full.type === 'array' ? full.items : { type: full.type === 'object' ? 'null' : 'string' };
  schema.anyOf = [short, full];
}
