/**
 * Templates for where a fetched file goes: `{{ project }}/{{ name }}`. As those of keys (`name-template.ts`), with the values of a pull: project,
 * pipeline, source, remote, name, stem, extension, and the date and time at which it was first seen, in the tenant's zone.
 */
import { compileNameTemplate, type TemplateFacts } from '#shared/definitions/name-template.ts';

export interface PullFacts {
  readonly tenantId: string;
  readonly pullId: string;
  readonly project: string;
  readonly pipeline: string;
  /** Empty when the pull was asked for on its own. */
  readonly source: string;
  readonly remote: string;
  readonly name: string;
  readonly seenAt: Date;
  readonly timeZone: string;
}

export type PullTemplate =
  | { readonly ok: true; readonly render: (facts: PullFacts) => string }
  | { readonly ok: false; readonly message: string };

export function compilePullTemplate(source: string): PullTemplate {
  const compiled = compileNameTemplate(source, SAMPLE);
  if (!compiled.ok) return compiled;
  return { ok: true, render: (facts) => compiled.render(templateFacts(facts), pullValues(facts)) };
}

const SAMPLE = { project: 'PROJECT', pipeline: 'PIPELINE', source: 'source', remote: 'remote', pull: 'pull' };

function pullValues({ project, pipeline, source, remote, pullId }: PullFacts): Record<string, string> {
  return { project, pipeline, source, remote, pull: pullId };
}

function templateFacts({ tenantId, name, pullId, source, seenAt, timeZone }: PullFacts): TemplateFacts {
  return {
    ...{ tenantId, name, timeZone, key: `${tenantId}/${name}`, fileId: pullId, jobId: pullId },
    ...{ routeName: source, receivedAt: seenAt },
  };
}
