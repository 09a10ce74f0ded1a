/** The verbs of actions: what each is about, whom it takes, and what it means. */
import type { Permission } from '#shared/access/permissions.ts';
import type { ActionVerb } from '#shared/db/schema.ts';

export type SubjectKind = 'job' | 'file' | 'dead letter';

export interface Verb {
  readonly label: string;
  readonly subject: SubjectKind;
  readonly permission: Permission;
  readonly meaning: string;
  /** What was set going can fail again, and the action then stops. */
  readonly canFail?: true;
  /** Always takes the number to be typed. */
  readonly isGrave?: true;
}

export const VERBS: Readonly<Record<ActionVerb, Verb>> = {
  retry: {
    label: 'Retry',
    subject: 'job',
    permission: 'jobs:retry',
    meaning: 'Continues at the step that failed, with the same idempotency keys: what was sent already is recognised.',
    canFail: true,
  },
  resend: {
    label: 'Resend as new',
    subject: 'job',
    permission: 'effects:resend',
    meaning:
      'Does everything once more on purpose, with new keys: the partner may have it twice. Takes a second person.',
    canFail: true,
    isGrave: true,
  },
  reroute: {
    label: 'Reroute',
    subject: 'file',
    permission: 'files:reroute',
    meaning: 'Decides again by the routes as they are now. Only quarantined files are taken.',
    canFail: true,
  },
  cancel: {
    label: 'Cancel',
    subject: 'job',
    permission: 'jobs:cancel',
    meaning: 'Ends open jobs. What they delivered stays delivered.',
  },
  release: {
    label: 'Release',
    subject: 'job',
    permission: 'jobs:review',
    meaning: 'Lets held jobs continue.',
    canFail: true,
  },
  reject: { label: 'Reject', subject: 'job', permission: 'jobs:review', meaning: 'Ends held jobs as rejected.' },
  skip: {
    label: 'Skip',
    subject: 'job',
    permission: 'jobs:retry',
    meaning: 'Gives up the head of an order, so that the next in line continues.',
  },
  redrive: {
    label: 'Redrive',
    subject: 'dead letter',
    permission: 'letters:redrive',
    meaning: 'Sends dead letters to their queues again.',
  },
  discard: {
    label: 'Discard',
    subject: 'dead letter',
    permission: 'letters:redrive',
    meaning: 'Drops dead letters for good.',
    isGrave: true,
  },
};
