/** Which requests can be proposed: those that change definitions, and the calls of partners. */
import { z } from 'zod';
import { VERSIONED_PLURALS } from '../definitions/handle-versions.ts';
import { breakerBody, wordBody } from '../partners/handle-partner-control.ts';

const KINDS = VERSIONED_PLURALS.join('|');

interface Proposable {
  readonly method: 'PUT' | 'POST';
  readonly path: RegExp;
  /** What has to be there, or has to be valid, when it is proposed. */
  readonly check: 'dry-run' | 'present';
  /** Where the request has its reason. */
  readonly reasonIn: 'query' | 'body';
  readonly body?: z.ZodType;
}

/** As names of tenants and definitions are: nothing in a path that a URL would read in another way. */
const NAME = '[A-Za-z0-9][A-Za-z0-9._-]{0,127}';
const noBody = z.strictObject({}).default({});

const PROPOSABLE: readonly Proposable[] = [
  { method: 'POST', path: /^\/api\/v1\/routes$/, check: 'dry-run', reasonIn: 'query' },
  { method: 'PUT', path: new RegExp(`^/api/v1/(?:${KINDS})/${NAME}/${NAME}$`), check: 'dry-run', reasonIn: 'query' },
  {
    ...{ method: 'POST', check: 'present', reasonIn: 'body', body: noBody },
    path: new RegExp(`^(/api/v1/(?:${KINDS})/${NAME}/${NAME}/versions/\\d{1,10})/restore$`),
  },
  {
    ...{ method: 'POST', check: 'present', reasonIn: 'body', body: noBody },
    path: new RegExp(`^(/api/v1/routes/${NAME}/${NAME})/(?:disable|enable)$`),
  },
  {
    ...{ method: 'POST', check: 'present', reasonIn: 'body', body: wordBody.omit({ reason: true }).default({}) },
    path: new RegExp(`^(/api/v1/partners/${NAME}/${NAME})/(?:pause|resume)$`),
  },
  {
    ...{ method: 'POST', check: 'present', reasonIn: 'body' },
    path: new RegExp(`^(/api/v1/partners/${NAME}/${NAME})/breaker$`),
    body: z.preprocess((fields) => ({ ...(fields as object), reason: 'proposed' }), breakerBody),
  },
];

export interface ProposedRequest {
  readonly method: string;
  readonly path: string;
}

/** Undefined: it cannot be proposed. */
export function findProposable({ method, path }: ProposedRequest): Proposable | undefined {
  return PROPOSABLE.find((each) => each.method === method && each.path.test(path));
}

/** Whose thing a request changes; null where it names several. */
export function tenantOfPath(path: string): string | null {
  return path.split('/')[4] ?? null;
}

/** What is asked for to see whether it is there. */
export function presentPath({ path }: Proposable, asked: string): string {
  return path.exec(asked)?.[1] ?? asked;
}
