/**
 * Rows on their way into `jsonb_to_recordset`: one text parameter, whatever the number of rows.
 *
 * PostgreSQL's text holds neither NUL nor lone surrogates (22021, 22P05), and one of them would refuse a whole set. Partners
 * can put either into a name or a reply, so both become U+FFFD here.
 */
export function toJsonb(value: unknown): string {
  const text = JSON.stringify(value);
  // Both are escaped in JSON, so nearly every set is done after one look.
  if (!text.includes('\\u')) return text;
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'string' && /[\0\ud800-\udfff]/.test(item) ? item.replaceAll('\0', '\ufffd').toWellFormed() : item,
  );
}
