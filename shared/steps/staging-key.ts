/** Where a job's intermediate objects are: `<tenant>/<job>/<step>/<name>` in the staging bucket, the same on every try. */
import type { StepContext } from './step-context.ts';

export function stagingTarget(context: StepContext<unknown>, name: string): { bucket: string; key: string } {
  const { file, job, step, bucketNames } = context;
  return { bucket: bucketNames.staging, key: `${file.tenantId}/${job.id}/${step.seq}/${name}` };
}

/** The last segment of the object's key: the name as it is now. */
export function currentName(context: Pick<StepContext<unknown>, 'object'>): string {
  return context.object.key.slice(context.object.key.lastIndexOf('/') + 1);
}
