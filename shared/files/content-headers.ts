/** The headers that say what an object's bytes are: a copy keeps them all, whatever its size. */

const FIELDS = {
  contentType: 'ContentType',
  contentEncoding: 'ContentEncoding',
  contentDisposition: 'ContentDisposition',
  contentLanguage: 'ContentLanguage',
  cacheControl: 'CacheControl',
} as const;

export type ContentHeaders = { readonly [Name in keyof typeof FIELDS]?: string | undefined };

/** Of a reply of the SDK. */
export function contentHeadersOf(reply: object): ContentHeaders {
  const given = reply as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(FIELDS).flatMap(([name, field]) => (typeof given[field] === 'string' ? [[name, given[field]]] : [])),
  );
}

/** As fields of a request of the SDK. */
export function contentFields(headers: ContentHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(FIELDS).flatMap(([name, field]) => {
      const value = headers[name as keyof typeof FIELDS];
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

/** Those of something that has more. */
export function onlyContentHeaders(headers: ContentHeaders): ContentHeaders {
  const names = Object.keys(FIELDS) as (keyof typeof FIELDS)[];
  return Object.fromEntries(names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
}
