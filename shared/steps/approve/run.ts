/** `approve`: waiting counts no try and has no slot. Nothing is written, so every try may repeat it. */
import { z } from 'zod';
import { holdJob } from '../hold-job.ts';
import type { StepKind } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import { type ApproveOptions, approveOptions } from './options.ts';

const heldSchema = z.object({ heldAt: z.iso.datetime() });

export const approveStep: StepKind<ApproveOptions> = {
  kind: approveOptions.kind,
  classOf: approveOptions.classOf,
  run: async ({ options, step, now }) => {
    const { by, question, within, onTimeout } = options;
    if (step.isReleased) return { type: 'succeeded', output: { approved: true } };
    const held = heldSchema.safeParse(step.held);
    const heldAt = held.success ? new Date(held.data.heldAt) : now;
    const facts = { heldAt: heldAt.toISOString(), by, question };
    if (within === undefined) return holdJob(facts);
    const leftMs = heldAt.getTime() + within - now.getTime();
    const until = new Date(heldAt.getTime() + within).toISOString();
    if (leftMs > 0) return holdJob({ ...facts, until }, leftMs);
    if (onTimeout === 'release') return { type: 'succeeded', output: { approved: false, expired: true } };
    return failed('APPROVAL_ERROR', 'APPROVAL_EXPIRED', `Nobody had approved the file by ${until}.`);
  },
};
