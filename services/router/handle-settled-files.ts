/**
 * Routes a batch of settled files: reads them with their tenants' routes, decides, creates the jobs and wakes them.
 *
 * 1. Two statements for a batch; definitions of routes are read once each, as versions never change.
 * 2. A file that was routed before has nothing to decide: its wake-up is acknowledged.
 * 3. The object of a file is read only where a route asks for its content or its tags, and everything else of that route fits. While the
 *    store does not answer, the file is not decided: it comes again.
 * 4. A file that a route which this version cannot read may take is not decided, as it would never get that route's job. It stays, comes
 *    again, and waits for a version that can, or for the route to be corrected.
 */
import pLimit from 'p-limit';
import type { FactsToRead, MatchFacts } from '#shared/arrival/read-match-facts.ts';
import { closeDueBatches } from '#shared/batches/close-batches.ts';
import type { ReadManifest } from '#shared/batches/read-manifest.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { loadRoutingInput, type RoutingInput } from '#shared/definitions/load-routing-input.ts';
import type { FoundRoute, RouteCache } from '#shared/definitions/route-cache.ts';
import { ObjectStoreError } from '#shared/files/store-error.ts';
import { decideRouting, fileToMatch, pathOf } from '#shared/jobs/decide-routing.ts';
import type { ActiveRoute } from '#shared/jobs/new-job.ts';
import { type RoutingDecision, routeFiles, type WokenJob } from '#shared/jobs/route-files.ts';
import type { WakeUpSenders } from '#shared/jobs/wake-up-senders.ts';
import type { fileSettled } from '#shared/messages/wake-ups.ts';
import type { MessageOf, Received } from '#shared/queue/define-message.ts';
import { acknowledge, type Disposition, release } from '#shared/queue/disposition.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { codeOf, type Span, TRACEPARENT, type Tracing } from '#shared/runtime/tracing/tracing.ts';
import type { RouterMetrics } from './metrics.ts';

export interface HandleSettledFilesOptions {
  readonly sql: Sql;
  readonly routes: Pick<RouteCache, 'find'>;
  /** @throws ObjectStoreError */
  readonly readFacts: (asked: FactsToRead) => Promise<MatchFacts>;
  /** @throws ObjectStoreError */
  readonly readManifest: (file: Pick<RoutingInput, 'object' | 'sizeBytes'>, path: string) => Promise<ReadManifest>;
  readonly senders: Pick<WakeUpSenders, 'sendJobs'>;
  readonly largeFileThresholdBytes: number;
  /** Where the files arrive. */
  readonly region: string;
  readonly homeRegions: readonly string[] | undefined;
  /** By the clock on the wall. */
  readonly now: () => number;
  /** Wake-ups of one tenant that may be in one queue. */
  readonly admissionWindow: number;
  /** For how long a file of an ordered route leaves room for earlier ones whose events come later. */
  readonly orderSettleMs: number;
  readonly metrics: RouterMetrics;
  readonly tracing: Tracing;
  readonly logger: Logger;
}

const ACTOR = 'router';
const UNREADABLE_AGAIN_MS = 30_000;
const UNREAD_AGAIN_MS = 3_000;
/** Of a route's files, looked at in one statement. */
const BATCHES_AT_ONCE = 100;
/** Objects of one batch of messages. */
const READ_AT_ONCE = 16;

type FileSettled = Received<MessageOf<typeof fileSettled>>;

interface Decided {
  readonly file: RoutingInput;
  readonly decision?: RoutingDecision;
  /** Why there is no decision yet. */
  readonly undecided?: { readonly reason: string; readonly againMs: number };
}

export function createHandleSettledFiles(options: HandleSettledFilesOptions) {
  const { sql, senders, metrics, tracing, logger } = options;
  const reading = pLimit(READ_AT_ONCE);

  async function decide(file: RoutingInput): Promise<Decided> {
    const found = await Promise.all(
      file.routes.map(async (route) => ({ ...route, found: await options.routes.find(route.routeVersionId) })),
    );
    const path = pathOf(file);
    const unreadable = found.find(({ found }) => !found.ok && found.takesPath?.(path) !== false);
    if (unreadable !== undefined) {
      const reason = `route ${unreadable.name}: ${messageOf(unreadable.found)}`;
      return { file, undecided: { reason, againMs: UNREADABLE_AGAIN_MS } };
    }
    const active = found.flatMap(({ routeId, routeVersionId, found }): ActiveRoute[] =>
      found.ok ? [{ routeId, routeVersionId, route: found.route }] : [],
    );
    try {
      const routes = active.flatMap(({ route }) => (route.readsObject ? [route] : []));
      const here = { ...file, region: options.region };
      const asked = { file: fileToMatch(here), object: file.object, routes };
      const facts = routes.length === 0 ? {} : await reading(() => options.readFacts(asked));
      const manifest = active.some(({ route }) => route.isManifest(path))
        ? await reading(() => options.readManifest(file, path))
        : undefined;
      return {
        file,
        decision: decideRouting({ ...here, ...facts, manifest }, active, { ...options, nowMs: options.now() }),
      };
    } catch (error) {
      if (!(error instanceof ObjectStoreError)) throw error;
      return { file, undecided: { reason: error.message, againMs: UNREAD_AGAIN_MS } };
    }
  }

  function report(received: FileSettled, decided: Decided | undefined, woken: ReadonlySet<string>): Disposition {
    const { messageId, message } = received;
    if (decided === undefined) {
      metrics.files.inc({ outcome: 'known' });
      logger.info({ fileId: message.fileId, messageId, outcome: 'known' }, 'file handled');
      return acknowledge;
    }
    const { file, decision, undecided } = decided;
    const facts = { tenant: file.tenantId, fileId: file.fileId, name: file.name, sizeBytes: file.sizeBytes, messageId };
    if (decision === undefined) {
      metrics.files.inc({ outcome: 'undecided' });
      logger.error({ ...facts, outcome: 'undecided', reason: undecided?.reason }, 'file handled');
      return release(undecided?.againMs ?? UNREADABLE_AGAIN_MS);
    }
    const outcome = outcomeOf(decision);
    metrics.files.inc({ outcome });
    for (const { id, queue } of decision.jobs) {
      metrics.jobs.inc({ queue, admission: woken.has(id) ? 'let in' : 'waiting' });
    }
    logger.info({ ...facts, outcome, jobs: decision.jobs.length, code: decision.error?.code }, 'file handled');
    return acknowledge;
  }

  function openSpan({ message, attributes }: FileSettled): Span {
    const { fileId } = message;
    return tracing.join(fileId, 'route file', {
      queue: 'ingest',
      traceparent: attributes[TRACEPARENT],
      facts: { fileId },
    });
  }

  async function handle(received: readonly FileSettled[], spans: readonly Span[]): Promise<Disposition[]> {
    const files = await loadRoutingInput(
      sql,
      received.map(({ message }) => message.fileId),
    );
    const decided = await Promise.all(files.map(decide));
    const decisions = decided.flatMap(({ decision }) => decision ?? []);
    const woken = await storeDecisions(options, decisions);
    const spanOf = new Map(received.map(({ message }, index) => [message.fileId, spans[index]]));
    await senders.sendJobs(woken.map((job) => ({ ...job, traceparent: spanOf.get(job.fileId)?.traceparent })));
    if (decisions.some(isOfBatch)) await closeBatches(options);
    const byFile = new Map(decided.map((one) => [one.file.fileId, one]));
    const wokenIds = new Set(woken.map(({ id }) => id));
    return received.map((one, index) => {
      const found = byFile.get(one.message.fileId);
      endSpan(spans[index], found);
      return report(one, found, wokenIds);
    });
  }

  return async (received: readonly FileSettled[]): Promise<Disposition[]> => {
    const spans = received.map(openSpan);
    try {
      return await handle(received, spans);
    } catch (error) {
      for (const span of spans) span.end({}, codeOf(error));
      throw error;
    }
  };
}

function endSpan(span: Span | undefined, decided: Decided | undefined): void {
  const tenant = decided?.file.tenantId;
  if (decided === undefined) span?.end({ outcome: 'known' });
  else if (decided.decision === undefined) span?.end({ tenant, outcome: 'undecided' }, 'ROUTE_INVALID');
  else {
    const { jobs, error } = decided.decision;
    span?.end({ tenant, outcome: outcomeOf(decided.decision), jobs: jobs.length, code: error?.code }, error?.cause);
  }
}

function outcomeOf({
  jobs,
  companionOf,
  isForOtherRegion,
}: RoutingDecision): 'routed' | 'companion' | 'elsewhere' | 'quarantined' {
  if (jobs.length > 0) return 'routed';
  if (isForOtherRegion) return 'elsewhere';
  return companionOf === undefined ? 'quarantined' : 'companion';
}

const isOfBatch = ({ jobs, manifests = [] }: RoutingDecision) =>
  manifests.length > 0 || jobs.some(({ batch }) => batch !== undefined);

/** What was full with these files begins at once; whatever prevents it, the clock does it. */
async function closeBatches({
  sql,
  senders,
  admissionWindow: window,
  logger,
}: HandleSettledFilesOptions): Promise<void> {
  try {
    const { jobs } = await closeDueBatches(sql, { actor: ACTOR, window, limit: BATCHES_AT_ONCE });
    await senders.sendJobs(jobs);
  } catch (error) {
    logger.warn({ err: error }, 'batches not closed, the sweeper will');
  }
}

async function storeDecisions(
  { sql, admissionWindow, orderSettleMs }: HandleSettledFilesOptions,
  decisions: readonly RoutingDecision[],
): Promise<WokenJob[]> {
  return decisions.length === 0
    ? []
    : await routeFiles(sql, decisions, ACTOR, { window: admissionWindow, settleMs: orderSettleMs });
}

function messageOf(found: FoundRoute): string {
  return found.ok ? '' : found.message;
}
