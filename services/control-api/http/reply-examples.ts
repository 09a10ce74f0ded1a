/**
 * An example of each schema that replies have, made from the schema itself, so that it is never older than what it shows: fields by their
 * names, states as they are when all went well.
 *
 * Examples are with the schema and not with each operation: `File` has one, and every list of files shows it.
 */
type Schema = Readonly<Record<string, unknown>>;
type Schemas = Record<string, Schema>;

const ID = '01a1fb78-73ee-7ce9-bd80-915814aa2415';
const AT = '2026-11-24T07:00:05.123Z';
const SHA256 = '9f2c5f0b8c1d4e7a6b3f2d1c0e9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f10';
/** What went well has none of these. */
const ABSENT =
  /^(error|errors|error_message|missing|failure|fault|code|cause|hint|next_cursor|searched_to|disabled_at|revoked_at|expired_at)$/;
const GOOD_STATES = ['completed', 'succeeded', 'SUCCEEDED', 'DONE', 'done', 'ACTIVE', 'active', 'met', 'ok'];

/** By the whole name of a field, or by how it ends. */
const TEXTS: readonly (readonly [RegExp, string])[] = [
  [/(^|_)(at|timestamp|from|to|since|until|time|seen|due)$/, AT],
  [/^(tenant|customer)(_id)?$/, 'acme'],
  [/^(processed_by|worker|service|queue)/, 'partner-worker'],
  [/^(file_type|type|extension)$/, 'csv'],
  [/status$|state$/, 'completed'],
  [/(^|_)ids?$|Id$/, ID],
  [/^scopes?$/, 'openid email'],
  [/^(file_)?name$|^file$/, 'orders-week-48.csv'],
  [/sha256|digest|hash|checksum$/, SHA256],
  [/bucket$/, 'longshore-landing'],
  [/(^|_)(key|path|directory)$/, 'inbound/orders/orders-week-48.csv'],
  [/^(route|routes|expectation)$/, 'orders'],
  [/^(partner|remote)$/, 'bank'],
  [/(^|_)(by|actor|label|user|username|person)$/, 'ann@example.com'],
  [/email|address|recipient/, 'ann@example.com'],
  [/url$|^uri$/, 'https://longshore.example.com/'],
  [/^(zone|time_zone|timeZone)$/, 'Europe/Vienna'],
  [/reason|comment|note$/, 'INC-4711 the partner is back'],
  [/code$/, 'DELIVERY_ERROR'],
  [/cause$/, 'HTTP_503'],
  [/message|text|hint|summary|because/, 'The partner answered HTTP 503.'],
  [/region$/, 'eu-central-1'],
  [/version$|etag$/i, '3'],
  [/step|kind/, 'deliver'],
  [/fingerprint/, 'SHA256:uNiVztksCsDhcc0u9e8BrTLNJVJNWc7pKpQbZ0GB5Ds'],
  [/day$|date$/, '2026-11-24'],
  [/ip$/, '10.1.4.9'],
];
const FORMATS: Readonly<Record<string, string>> = {
  'date-time': AT,
  date: '2026-11-24',
  uuid: ID,
  uri: 'https://longshore.example.com/',
  email: 'ann@example.com',
};
const NUMBERS: readonly (readonly [RegExp, number])[] = [
  [/size|bytes/, 1_680],
  [/ms$|duration/, 312],
  [/total|rows|records|success/, 1_000],
  [/retr|failed|failures|missing|late|rejected|ambiguous/, 0],
];
const DEEPEST = 8;
const ERROR = { code: 'NOT_FOUND', message: 'File not found', hint: 'Check the id.' };
const REFERENCE = /"#\/components\/schemas\/([^"]+)"/g;

interface ApiDescription {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, { readonly responses?: object }>>>>;
  readonly components?: { readonly schemas?: Schemas };
}

/** Every schema that is the whole of a reply gets `examples`. */
export function addReplyExamples({ paths = {}, components: { schemas = {} } = {} }: ApiDescription): void {
  const replies = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ responses }) => responses));
  const names = new Set([...JSON.stringify(replies).matchAll(REFERENCE)].map(([, name = '']) => name));
  const examples = [...names].map(
    (name) => [name, exampleOf(schemas[name] ?? {}, schemas, { name, depth: 0 })] as const,
  );
  for (const [name, example] of examples)
    schemas[name] = { ...schemas[name], examples: [name === 'Error' ? ERROR : example] };
}

interface Place {
  /** Of the field. */
  readonly name: string;
  readonly depth: number;
}

function exampleOf(schema: Schema, schemas: Schemas, place: Place): unknown {
  const { $ref, enum: choices, anyOf, oneOf, allOf, type } = schema as { readonly [Name in string]?: unknown };
  if (typeof $ref === 'string') return exampleOf(schemas[$ref.split('/').at(-1) ?? ''] ?? {}, schemas, place);
  if ('const' in schema) return schema.const;
  if (schema.default !== undefined) return schema.default;
  const [alternative] = alternativesOf(anyOf ?? oneOf ?? allOf, place);
  if (alternative !== undefined) return exampleOf(alternative, schemas, place);
  if (Array.isArray(choices)) return choices.find((choice) => GOOD_STATES.includes(choice)) ?? choices[0];
  const types = (Array.isArray(type) ? type : [type]) as string[];
  if (types.includes('null') && (types.length === 1 || ABSENT.test(place.name))) return null;
  switch (types.find((each) => each !== 'null')) {
    case 'object':
      return objectOf(schema, schemas, place);
    case 'array':
      return place.depth > DEEPEST ? [] : arrayOf(schema, schemas, place);
    case 'boolean':
      return false;
    case 'integer':
    case 'number':
      return numberOf(schema, place.name);
    case 'string':
      return textOf(schema, place.name);
    default:
      return {};
  }
}

/** What may be null is shown with a value, but for what only failures have. */
function alternativesOf(given: unknown, { name, depth }: Place): readonly Schema[] {
  const alternatives = (Array.isArray(given) ? given : []) as readonly Schema[];
  const empty = alternatives.find(({ type }) => type === 'null');
  if (empty !== undefined && (ABSENT.test(name) || depth > DEEPEST)) return [empty];
  return alternatives.filter((each) => each !== empty);
}

function objectOf({ properties, additionalProperties }: Schema, schemas: Schemas, { depth }: Place): object {
  const fields = Object.entries((properties ?? {}) as Readonly<Record<string, Schema>>);
  if (fields.length === 0 && typeof additionalProperties === 'object' && additionalProperties !== null)
    return { name: exampleOf(additionalProperties as Schema, schemas, { name: 'name', depth: depth + 1 }) };
  return Object.fromEntries(
    fields.map(([name, schema]) => [name, exampleOf(schema, schemas, { name, depth: depth + 1 })]),
  );
}

function arrayOf({ items, prefixItems }: Schema, schemas: Schemas, { name, depth }: Place): unknown[] {
  const each = { name: name.replace(/s$/, ''), depth: depth + 1 };
  if (Array.isArray(prefixItems)) return prefixItems.map((item: Schema) => exampleOf(item, schemas, each));
  return items === undefined || ABSENT.test(name) ? [] : [exampleOf(items as Schema, schemas, each)];
}

function numberOf({ minimum, exclusiveMinimum, maximum }: Schema, name: string): number {
  const wanted = NUMBERS.find(([pattern]) => pattern.test(name))?.[1] ?? 1;
  const least = Math.max(
    Number(minimum ?? Number.NEGATIVE_INFINITY),
    Number(exclusiveMinimum ?? Number.NEGATIVE_INFINITY) + 1,
  );
  return Math.min(Math.max(wanted, least), Number(maximum ?? Number.POSITIVE_INFINITY));
}

function textOf({ format }: Schema, name: string): string {
  const formatted = FORMATS[String(format)];
  if (formatted !== undefined) return formatted;
  return TEXTS.find(([pattern]) => pattern.test(name))?.[1] ?? name;
}
