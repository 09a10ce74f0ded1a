/** What a review link does, whoever uses it: the page behind it, or the dialog of a chat. */
import { rejectHeldJobs } from '#shared/jobs/end-jobs.ts';
import { releaseJobs } from '#shared/jobs/release-jobs.ts';
import { readLinkKeys } from '#shared/reviews/link-keys.ts';
import type { ReasonRule } from '#shared/reviews/reason-rule.ts';
import { explainRule } from '#shared/reviews/reason-rule.ts';
import { LINK_MS, type ReviewLink, readReviewLink } from '#shared/reviews/review-links.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import type { ApiParts } from '../http/api-server.ts';
import { useOnce } from '../http/use-once.ts';

export interface ReviewParts extends Pick<ApiParts, 'sql' | 'senders' | 'admissionWindow'> {
  readonly secrets: SecretStore;
  /** Name in the secret store; undefined: there are no links. */
  readonly linkSecret: string | undefined;
  readonly now?: () => number;
  readonly reasonRule?: ReasonRule | undefined;
}

export type ReviewVerb = 'release' | 'reject';

export interface ReviewAct {
  readonly verb: ReviewVerb;
  readonly link: string;
  readonly review: ReviewLink;
  readonly actor: string;
  readonly reason: string;
}

export type ReviewResult = 'done' | 'used' | 'not held';

export const REVIEW_TEXTS = {
  invalid: 'This link is not valid, or it has expired. Use the one of a newer notice.',
  used: 'This link was used before. Use the one of a newer notice, or ask who released or rejected the file.',
  'not held': 'The file is not held any more: somebody released or rejected it.',
  release: 'The file continues.',
  reject: 'The file is rejected and will not be delivered.',
} as const;

export function createReviewLinks({
  sql,
  senders,
  admissionWindow,
  secrets,
  linkSecret,
  now = Date.now,
  reasonRule,
}: ReviewParts) {
  return {
    /** What the reason lacks, for the person who wrote it. */
    findFault: (reason: string): string | undefined =>
      reasonRule === undefined || reasonRule.allows(reason) ? undefined : explainRule(reasonRule),
    /** Undefined: forged, altered, expired, or there are no links. */
    async read(link: string): Promise<ReviewLink | undefined> {
      if (linkSecret === undefined) return undefined;
      return readReviewLink(link, (await readLinkKeys(secrets, linkSecret)).all, now());
    },
    /** Once for each link. */
    async use({ verb, link, review, actor, reason }: ReviewAct): Promise<ReviewResult> {
      if (!(await useOnce(sql, `review ${link}`, LINK_MS))) return 'used';
      const action = { jobIds: [review.jobId], actor, reason };
      if (verb === 'reject') {
        const { jobIds } = await rejectHeldJobs(sql, action);
        return jobIds.length === 0 ? 'not held' : 'done';
      }
      const released = await releaseJobs(sql, action, admissionWindow);
      await senders.wakeJobs(released.filter(({ isWoken }) => isWoken));
      return released.length === 0 ? 'not held' : 'done';
    },
  };
}
