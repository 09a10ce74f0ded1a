/** Templates of a settings file, by the name of their stack without the fleet's prefix: what tests look at. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { buildApp } from './build-app.ts';
import type { DeploySettings } from './settings.ts';

export type Templates = ReadonlyMap<string, Template>;

/**
 * CloudFormation's own rules take most of the time, so that `cloudformation-rules.long.test.ts` alone asks for them, and `npm run synth`.
 *
 * @throws when cdk-nag finds anything.
 */
export function synthesise(settings: DeploySettings, options: { readonly isValidated?: boolean } = {}): Templates {
  const outdir = mkdtempSync(join(tmpdir(), 'longshore-synth-'));
  try {
    const app = buildApp(settings, {
      outdir,
      builtinCloudFormationValidation: options.isValidated === true,
      context: { 'aws:cdk:disable-asset-staging': true },
    });
    const { stacks } = app.synth();
    const templates = new Map(stacks.map(({ stackName, template }) => [stackName, Template.fromJSON(template)]));
    madeAfter.set(
      templates,
      new Map(stacks.map(({ stackName, dependencies }) => [stackName, dependencies.map(({ id }) => id)])),
    );
    return templates;
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

const madeAfter = new WeakMap<Templates, ReadonlyMap<string, readonly string[]>>();

/** Names of the stacks that `cdk deploy --all` makes before this one. */
export function stacksBefore(templates: Templates, stack: string): readonly string[] {
  return madeAfter.get(templates)?.get(stack) ?? [];
}

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is JSON of whatever shape its resource has
  readonly Properties: any;
  readonly DependsOn?: readonly string[];
}

export function resourcesOf(template: Template, type: string): Resource[] {
  return Object.values(template.findResources(type)) as Resource[];
}
