/** An operation's templates and a record's values become a request. */
import type { PartnerOperation } from '#shared/definitions/partner-schema.ts';
import { bodyWithContent, type FileContent } from './request-content.ts';
import {
  compileJson,
  compilePath,
  compileText,
  isConstant,
  type Render,
  type TemplateValues,
} from './request-template.ts';

export interface RenderedRequest {
  readonly method: PartnerOperation['method'];
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | undefined;
}

export type Rendered =
  | { readonly type: 'rendered'; readonly request: RenderedRequest }
  /** `message` holds no values. */
  | { readonly type: 'invalid'; readonly message: string };

export type RequestRenderer = (
  values: TemplateValues,
  idempotencyKey: string | undefined,
  file?: FileContent,
) => Rendered;

/** What Node lets into a header, without what is not ASCII. */
export const HEADER_VALUE = /^[\x20-\x7e\t]*$/;

export function createRequestRenderer(baseUrl: string, operation: PartnerOperation): RequestRenderer {
  const renderPath = compilePath(operation.path);
  const query = compileAll(operation.query);
  const headers = compileAll(operation.headers);
  const renderBody = operation.body === undefined ? undefined : compileJson(operation.body);
  const base = baseUrl.replace(/\/$/, '');
  // One for all requests where no value is in it.
  let constantUrl: URL | undefined;
  const isConstantUrl = [operation.path, ...Object.values(operation.query)].every(isConstant);
  const urlOf = (values: TemplateValues): URL => {
    const url = new URL(`${base}${renderPath(values)}`);
    for (const [name, render] of query) url.searchParams.append(name, render(values));
    return url;
  };

  return (values, idempotencyKey, file) => {
    try {
      const url = constantUrl ?? urlOf(values);
      if (isConstantUrl) constantUrl = url;
      const rendered: Record<string, string> = { accept: 'application/json' };
      for (const [name, render] of headers) rendered[name.toLowerCase()] = render(values);
      const json = renderBody?.(values);
      const content = file === undefined ? undefined : bodyWithContent(operation, json, file);
      const body = content?.body ?? (json === undefined ? undefined : JSON.stringify(json));
      if (body !== undefined) rendered['content-type'] ??= content?.contentType ?? 'application/json';
      if (idempotencyKey !== undefined && operation.idempotencyHeader !== 'none') {
        rendered[operation.idempotencyHeader.toLowerCase()] = idempotencyKey;
      }
      const wrong = Object.entries(rendered).find(([, value]) => !HEADER_VALUE.test(value));
      if (wrong !== undefined)
        return { type: 'invalid', message: `The header ${wrong[0]} would hold what no header may.` };
      return { type: 'rendered', request: { method: operation.method, url, headers: rendered, body } };
    } catch (error) {
      const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
      return { type: 'invalid', message: `No request could be made: ${line.slice(0, 200)}` };
    }
  };
}

function compileAll(templates: Readonly<Record<string, string>>): readonly (readonly [string, Render<string>])[] {
  return Object.entries(templates).map(([name, source]) => [name, compileText(source)] as const);
}
