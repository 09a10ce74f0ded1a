/** `stage`: a copy in the staging bucket, on which the next steps work. */

import { currentName, stagingTarget } from '#shared/steps/step-keys.ts';
import { copyJobObject } from '../copy-job-object.ts';
import type { StepKind } from '../step-context.ts';
import { retry, withStoreFailures } from '../step-failure.ts';
import { type StageOptions, stageOptions } from './options.ts';

export const stageStep: StepKind<StageOptions> = {
  kind: stageOptions.kind,
  classOf: stageOptions.classOf,
  run: (context) =>
    withStoreFailures('STAGING_ERROR', async () => {
      const target = stagingTarget(context, currentName(context));
      const copy = await copyJobObject(context, target, context.options.copy);
      if (copy.type === 'different') {
        const cause = copy.what === 'size' ? 'SIZE_MISMATCH' : 'CHECKSUM_MISMATCH';
        return retry(
          'STAGING_ERROR',
          cause,
          `The staged copy differs from its source in ${copy.what}; it was removed.`,
        );
      }
      const { written, sizeBytes } = copy;
      const object = { ...target, versionId: written.versionId, etag: written.etag, sizeBytes };
      return { type: 'succeeded', object, output: { ...object, verifiedBy: copy.verifiedBy, copy: copy.receipt } };
    }),
};
