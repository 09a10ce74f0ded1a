/** The environment of the CDK app: what the `cdk` command tells it. */

/** Where `cdk` wants the templates; undefined when it is not there. */
export function readOutputFolder(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  return env.CDK_OUTDIR;
}
