/** Templates of a settings file, by the name of their stack without the fleet's prefix: what tests look at. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { inject } from 'vitest';
// Says what vitest provides.
import type {} from '#testkit/vitest/global-setup.ts';
import { buildApp } from './build-app.ts';
import type { DeploySettings } from './settings.ts';

export type Templates = ReadonlyMap<string, Template>;

/** What a synthesis gives, as JSON. */
interface Synthesised {
  readonly templates: Readonly<Record<string, object>>;
  /** Stacks that are made before, by stack. */
  readonly after: Readonly<Record<string, readonly string[]>>;
}

const made = new Map<string, Templates>();
const madeAfter = new WeakMap<Templates, Synthesised['after']>();

/**
 * CloudFormation's own rules take most of the time, so that `cloudformation-rules.long.test.ts` alone asks for them, and `npm run synth`.
 * The same settings are synthesised once in a run of tests: it takes seconds of a processor.
 *
 * @throws when cdk-nag finds anything.
 */
export function synthesise(settings: DeploySettings, options: { readonly isValidated?: boolean } = {}): Templates {
  const key = createHash('sha256')
    .update(JSON.stringify([settings, options]))
    .digest('hex');
  const known = made.get(key);
  if (known !== undefined) return known;
  const { templates: texts, after } = readMade(key) ?? keepMade(key, synthesiseNew(settings, options));
  const templates = new Map(Object.entries(texts).map(([name, template]) => [name, Template.fromJSON(template)]));
  madeAfter.set(templates, after);
  made.set(key, templates);
  return templates;
}

const pathOf = (key: string) => join(inject('testRunDirectory'), `assembly-${key}.json`);

function readMade(key: string): Synthesised | undefined {
  return existsSync(pathOf(key)) ? (JSON.parse(readFileSync(pathOf(key), 'utf8')) as Synthesised) : undefined;
}

function keepMade(key: string, synthesised: Synthesised): Synthesised {
  const partial = `${pathOf(key)}.${process.pid}`;
  writeFileSync(partial, JSON.stringify(synthesised));
  renameSync(partial, pathOf(key));
  return synthesised;
}

function synthesiseNew(settings: DeploySettings, options: { readonly isValidated?: boolean }): Synthesised {
  const outdir = mkdtempSync(join(tmpdir(), 'longshore-synth-'));
  try {
    const app = buildApp(settings, {
      outdir,
      builtinCloudFormationValidation: options.isValidated === true,
      context: { 'aws:cdk:disable-asset-staging': true },
    });
    const { stacks } = app.synth();
    return {
      templates: Object.fromEntries(stacks.map(({ stackName, template }) => [stackName, template])),
      after: Object.fromEntries(
        stacks.map(({ stackName, dependencies }) => [stackName, dependencies.map(({ id }) => id)]),
      ),
    };
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

/** Names of the stacks that `cdk deploy --all` makes before this one. */
export function stacksBefore(templates: Templates, stack: string): readonly string[] {
  return madeAfter.get(templates)?.[stack] ?? [];
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
