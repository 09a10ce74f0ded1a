/** What is to be done with one pull: by its source as it is applied now, or by the rules of a pull that was asked for on its own. */
import { canonicalRemotePath } from '#shared/definitions/remote-schema.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import { type SourceDocument, sourceDocumentSchema } from '#shared/definitions/source-schema.ts';
import type { ClaimedPull } from './claim-pulls.ts';
import { compilePullTemplate } from './pull-template.ts';
import type { PullError } from './store-pulls.ts';

export interface PullPlan {
  /** Of the object in landing. */
  readonly key: string;
  /** The file's own, or the one that it is renamed to before it is read. */
  readonly claimedPath: string;
  readonly isRenamed: boolean;
  /** The SHA-256 of the file is asked of the server, where it offers that. */
  readonly asksHash: boolean;
  /** SHA-256 next to the file. */
  readonly sidecarPath: string | undefined;
  /** Go with the file. */
  readonly companionPaths: readonly string[];
  readonly afterwards: 'delete' | 'keep' | { readonly moveTo: string };
  readonly isCarriedFirst: boolean;
  /** What has the content of an earlier one does not land again. */
  readonly comparesContent: boolean;
  readonly maxAttempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export type Planned =
  | { readonly ok: true; readonly plan: PullPlan }
  | { readonly ok: false; readonly error: PullError }
  /** The definition is not there; it may be applied again. */
  | { readonly ok: 'later'; readonly reason: string };

const BY_ITSELF = {
  into: '{{ project }}/{{ name }}',
  ready: { stable: 0 },
  checksum: undefined,
  identity: 'size-and-time',
  afterwards: 'delete',
  afterwardsWhen: 'landed',
  firstDelayMs: 5_000,
  maxDelayMs: 600_000,
} as const;

export function planPull(pull: ClaimedPull): Planned {
  const path = canonicalRemotePath(pull.remotePath);
  if (!path.ok) return rejected(path.message);
  const source = rulesOf(pull);
  if (source === undefined) return { ok: 'later', reason: 'source' };
  const facts = {
    ...{ tenantId: pull.tenantId, pullId: pull.id, project: pull.project, pipeline: pull.pipeline },
    ...{ source: pull.source ?? '', remote: pull.remote, name: pull.fileName },
    ...{ seenAt: pull.seenAt, timeZone: pull.timeZone },
  };
  const render = (template: string): string => {
    const compiled = compilePullTemplate(template);
    return compiled.ok ? compiled.render(facts) : '';
  };
  const key = canonicalKey(`${pull.tenantId}/${render(source.into)}`, `${pull.tenantId}/`);
  if (!key.ok) return rejected(key.message);
  const isRenamed = 'rename' in source.ready;
  const sidecarPath =
    source.checksum !== undefined && 'sidecar' in source.checksum
      ? `${pull.remotePath}${source.checksum.sidecar}`
      : undefined;
  const companions = [
    ...('marker' in source.ready ? [`${pull.remotePath}${source.ready.marker}`] : []),
    ...(sidecarPath === undefined ? [] : [sidecarPath]),
  ];
  let afterwards: PullPlan['afterwards'] = 'keep';
  if (source.afterwards === 'delete') afterwards = 'delete';
  else if (source.afterwards !== 'keep') {
    const target = render(source.afterwards.move);
    const moveTo = canonicalRemotePath(target.startsWith('/') ? target : `${directoryOf(pull.remotePath)}${target}`);
    if (!moveTo.ok) return rejected(moveTo.message);
    afterwards = { moveTo: moveTo.path };
  }
  return {
    ok: true,
    plan: {
      key: key.key,
      isRenamed,
      claimedPath: isRenamed ? `${pull.remotePath}.longshore-${pull.id}` : pull.remotePath,
      asksHash: source.checksum !== undefined && 'hash' in source.checksum,
      sidecarPath,
      companionPaths: companions,
      afterwards,
      isCarriedFirst: source.afterwardsWhen === 'carried',
      comparesContent: source.identity === 'content',
      maxAttempts: pull.source === null ? pull.maxAttempts : source.maxAttempts,
      firstDelayMs: source.firstDelayMs,
      maxDelayMs: source.maxDelayMs,
    },
  };
}

export function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

type Rules = Pick<SourceDocument, 'into' | 'ready' | 'checksum' | 'identity' | 'afterwards' | 'afterwardsWhen'> & {
  readonly maxAttempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
};

function rulesOf(pull: ClaimedPull): Rules | undefined {
  if (pull.source === null) return { ...BY_ITSELF, maxAttempts: pull.maxAttempts };
  const parsed = sourceDocumentSchema.safeParse(pull.sourceDefinition);
  if (!parsed.success) return undefined;
  const { retry, ...rules } = parsed.data;
  return { ...rules, maxAttempts: retry.maxAttempts, firstDelayMs: retry.firstDelay, maxDelayMs: retry.maxDelay };
}

function rejected(message: string): Planned {
  return {
    ok: false,
    error: { code: 'PULL_ERROR', cause: 'NAME_REJECTED', message: `The name is not taken: ${message}.` },
  };
}
