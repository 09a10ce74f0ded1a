/** The environment of the CDK app: what the `cdk` command tells it. */
import { z } from 'zod';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where `cdk` wants the templates; undefined when it is not there. */
export function readOutputFolder(env: Environment = process.env): string | undefined {
  return env.CDK_OUTDIR;
}

/** The settings file that `cdk -c settings=FILE` names. */
export function readSettingsPath(env: Environment = process.env): string | undefined {
  const context = z.object({ settings: z.string().min(1).optional() }).parse(JSON.parse(env.CDK_CONTEXT_JSON ?? '{}'));
  return context.settings;
}
