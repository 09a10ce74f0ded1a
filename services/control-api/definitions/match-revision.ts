/**
 * `ETag` of a definition, and the condition `If-Match` (RFC 9110, section 13.1.1): a strong tag that has the revision, which every change
 * raises, and the version, so that a caller with an old tag can be shown what changed since.
 */
import type { FastifyRequest } from 'fastify';

export interface Tagged {
  readonly revision: number;
  readonly version: number;
}

export function tagOf({ revision, version }: Tagged): string {
  return `"r${revision}.v${version}"`;
}

export type Condition =
  /** Whatever it is, or that it is not there at all. */
  | { readonly type: 'none' }
  /** `If-Match: *` */
  | { readonly type: 'exists' }
  /** `If-None-Match: *` */
  | { readonly type: 'absent' }
  | { readonly type: 'one-of'; readonly tags: readonly Tagged[] };

export function conditionOf({ headers }: Pick<FastifyRequest, 'headers'>): Condition {
  if (headers['if-none-match']?.trim() === '*') return { type: 'absent' };
  const given = headers['if-match'];
  if (given === undefined) return { type: 'none' };
  if (given.trim() === '*') return { type: 'exists' };
  const tags = given.split(',').flatMap((part) => {
    const [, revision, version] = /^"r(\d{1,9})\.v(\d{1,9})"$/.exec(part.trim()) ?? [];
    return revision === undefined ? [] : [{ revision: Number(revision), version: Number(version) }];
  });
  return { type: 'one-of', tags };
}

/** `undefined`: it is not there. */
export function isMet(condition: Condition, present: Tagged | undefined): boolean {
  switch (condition.type) {
    case 'none':
      return true;
    case 'exists':
      return present !== undefined;
    case 'absent':
      return present === undefined;
    case 'one-of':
      return condition.tags.some(({ revision }) => revision === present?.revision);
  }
}
