/**
 * Decides which routes take a file, and what their jobs begin with. Pure, but for the ids it gives.
 *
 * 1. A marker or checksum of another file is not a file for the route that asks for it, even where the route's globs take it.
 * 2. What one upload brought twice is one file: the client did not know that its first PUT had arrived.
 * 3. Whatever is decided names a reason that the sender or the tenant's operator can act on.
 */

import type { JoinedBatch, ManifestOfBatch } from '#shared/batches/join-batches.ts';
import type { ReadManifest } from '#shared/batches/read-manifest.ts';
import { RECIPIENTS_PREFIX } from '#shared/campaigns/recipients-prefix.ts';
import type { RoutingInput } from '#shared/definitions/load-routing-input.ts';
import { closingMs } from '#shared/definitions/routes/batch-schema.ts';
import { type FileToMatch, msUntilTime, REFUSALS } from '#shared/definitions/routes/compile-match.ts';
import { type ActiveRoute, newJob } from './new-job.ts';
import type { NewJob, RoutingDecision } from './route-files.ts';

export interface DecideRoutingOptions {
  readonly largeFileThresholdBytes: number;
  /** Home regions whose tenants this fleet carries for; every tenant's when absent. */
  readonly homeRegions?: readonly string[] | undefined;
  readonly nowMs: number;
}

/** More are counted, not named. */
const ROUTES_NAMED = 5;

export type FileToRoute = Pick<
  RoutingInput,
  | 'fileId'
  | 'tenantId'
  | 'key'
  | 'sizeBytes'
  | 'source'
  | 'uploadedBy'
  | 'uploadedAt'
  | 'timeZone'
  | 'homeRegion'
  | 'priority'
  | 'metadata'
> &
  Pick<FileToMatch, 'content' | 'tags' | 'region'> & {
    /** Where it is the manifest of a route. */
    readonly manifest?: ReadManifest | undefined;
    /** These are absent for one that never arrived. */
    readonly object?: RoutingInput['object'];
    readonly repeatOf?: RoutingInput['repeatOf'];
  };

export function decideRouting(
  file: FileToRoute,
  routes: readonly ActiveRoute[],
  { largeFileThresholdBytes, homeRegions, nowMs }: DecideRoutingOptions,
): RoutingDecision {
  const toMatch = fileToMatch(file);
  const { path } = toMatch;
  const isLarge = file.sizeBytes > largeFileThresholdBytes;
  // It waits for the campaigns that name it.
  if (path.startsWith(RECIPIENTS_PREFIX)) return { fileId: file.fileId, isLarge, jobs: [], companionOf: 'campaigns' };
  if (file.homeRegion !== null && homeRegions?.includes(file.homeRegion) === false)
    return { fileId: file.fileId, isLarge, jobs: [], isForOtherRegion: true, error: leftToHome(file, file.homeRegion) };
  if (file.repeatOf)
    return { fileId: file.fileId, isLarge, jobs: [], companionOf: 'uploads', error: sentBefore(file.repeatOf) };
  const jobs = routes
    .filter(({ route }) => route.refuses(toMatch) === undefined && !route.isCompanion(path))
    .map((active) => ({
      ...newJob(active, { ...file, isLarge, of: file.object && [...placeOf(file.object), active.routeId] }),
      ...startOf(active, file, nowMs),
      ...batchOf(active, file, nowMs),
    }));
  const manifests = manifestsOf(file, path, routes, nowMs);
  if (manifests.error !== undefined && jobs.length === 0)
    return { fileId: file.fileId, isLarge, jobs: [], error: manifests.error };
  if (jobs.length > 0) return { fileId: file.fileId, isLarge, jobs, manifests: manifests.named };
  const companion = routes.find(({ route }) => route.isCompanion(path));
  const decided = { fileId: file.fileId, isLarge, jobs: [], manifests: manifests.named };
  return companion === undefined
    ? {
        ...decided,
        error: {
          code: 'NO_ROUTE',
          ...refusal(
            file.tenantId,
            toMatch,
            routes.filter(({ route }) => route.takesFiles),
          ),
        },
      }
    : { ...decided, companionOf: companion.route.name };
}

function startOf({ route }: ActiveRoute, { timeZone }: FileToRoute, nowMs: number): Pick<NewJob, 'startAt'> {
  const opensAtMs = route.opensAt(nowMs, timeZone);
  return opensAtMs > nowMs ? { startAt: new Date(opensAtMs) } : {};
}

function batchOf(active: ActiveRoute, file: FileToRoute, nowMs: number): Pick<NewJob, 'batch'> {
  const batch = joinedBatch(active, file, nowMs);
  return batch === undefined ? {} : { batch };
}

function joinedBatch({ route }: ActiveRoute, file: FileToRoute, nowMs: number): JoinedBatch | undefined {
  const { batch } = route;
  if (batch === undefined) return undefined;
  const path = pathOf(file);
  const closeAtMs = closingMs(batch, nowMs, (time) => msUntilTime(time, nowMs, file.timeZone));
  return {
    key: batch.by === 'directory' ? path.slice(0, path.lastIndexOf('/') + 1) : '',
    fullAt: batch.count,
    idleMs: batch.idle,
    maxConcurrency: batch.maxConcurrency,
    closeAt: closeAtMs === undefined ? undefined : new Date(closeAtMs),
  };
}

/** What the file names, for each route whose manifest it is. */
function manifestsOf(file: FileToRoute, path: string, routes: readonly ActiveRoute[], nowMs: number) {
  const reading = routes.filter(({ route }) => route.isManifest(path));
  const { manifest } = file;
  if (reading.length === 0 || manifest === undefined) return { named: [] };
  if (!manifest.ok) {
    const message = `The manifest "${path}" cannot be read: ${manifest.message}. Have it sent again.`;
    return { named: [], error: { code: 'MANIFEST_INVALID', cause: 'MANIFEST_UNREADABLE', message } };
  }
  const named = reading.flatMap((active): ManifestOfBatch[] => {
    const batch = joinedBatch(active, file, nowMs);
    return batch === undefined ? [] : [{ ...batch, routeId: active.routeId, expected: manifest.expected }];
  });
  return { named };
}

function leftToHome({ tenantId, region }: FileToRoute, homeRegion: string) {
  return {
    code: 'LEFT_TO_HOME',
    cause: 'HOME_REGION',
    message: `The home of ${tenantId} is ${homeRegion}: the fleet of ${region} leaves the file to the fleet there.`,
  };
}

function sentBefore(fileId: string) {
  return {
    code: 'UPLOAD_REPEATED',
    cause: 'SAME_UPLOAD',
    message: `The PUT that brought the file ${fileId} came again with the same content, so this copy of it takes no route.`,
  };
}

function placeOf({ bucket, key, versionId }: RoutingInput['object']): string[] {
  return [bucket, key, versionId];
}

/** In the tenant's home, as routes match it. */
export function pathOf({ key, tenantId }: Pick<FileToRoute, 'key' | 'tenantId'>): string {
  return key.slice(tenantId.length + 1);
}

export function fileToMatch(file: FileToRoute): FileToMatch {
  return { ...file, path: pathOf(file), arrivedAtMs: file.uploadedAt.getTime() };
}

function refusal(
  tenantId: string,
  file: FileToMatch,
  routes: readonly ActiveRoute[],
): { cause: string; message: string } {
  const { path, sizeBytes } = file;
  if (routes.length === 0) {
    return {
      cause: 'TENANT_HAS_NO_ROUTE',
      message: `The tenant ${tenantId} has no active route. Apply one that takes "${path}", then have the file sent again.`,
    };
  }
  const byPath = routes.filter(({ route }) => route.takesPath(path));
  if (byPath.length === 0) {
    return {
      cause: 'PATH_MISMATCH',
      message: `No route of ${tenantId} matches the path "${path}"; tried: ${namesOf(routes)}. Correct \`match.path\` of one of them, or send the file to a path that a route matches.`,
    };
  }
  const other = byPath.find(({ route }) => !SIZE_REFUSALS.has(route.refuses(file)));
  if (other !== undefined) {
    const reasons = byPath
      .slice(0, ROUTES_NAMED)
      .map(({ route }) => `${route.name}: ${REFUSALS[route.refuses(file) ?? 'path']}`);
    return {
      cause: 'CONDITION_MISMATCH',
      message: `Routes of ${tenantId} match the path "${path}", but none takes the file: ${reasons.join('; ')}. Correct \`match\` of one of them, or send the file as it asks.`,
    };
  }
  if (sizeBytes === 0) {
    return {
      cause: 'FILE_EMPTY',
      message: `The file is empty, and ${namesOf(byPath)} of ${tenantId} matches its path but does not accept empty files. Send it again with its contents, or set \`acceptEmpty\`.`,
    };
  }
  return {
    cause: 'SIZE_MISMATCH',
    message: `The file has ${sizeBytes} bytes; ${namesOf(byPath)} of ${tenantId} would take its path but not its size. Correct \`minSize\` or \`maxSize\`.`,
  };
}

const SIZE_REFUSALS: ReadonlySet<string | undefined> = new Set(['empty', 'too small', 'too large']);

function namesOf(routes: readonly ActiveRoute[]): string {
  const names = routes.slice(0, ROUTES_NAMED).map(({ route }) => route.name);
  const more = routes.length - names.length;
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
