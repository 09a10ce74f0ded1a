/**
 * The engine of sources: a wake-up in, the directory listed, its files seen or triggered.
 *
 * 1. A listing is noted `PAGE` entries a statement. A directory with more names than are held is listed several times, each time for a share of
 *    its names (`gather-listing.ts`).
 * 2. Names that could mean another place, or forge a line, lines that cannot be read, sizes that no file has, and a name that comes again as
 *    another file are passed over, and the source says so.
 * 3. Rows are made only while fewer than `MOST_WAITING` files of the source wait: a server that makes up names without end fills no table, and a
 *    directory of any size is worked through as its files are fetched.
 * 4. After downtime there is one listing, not all that were missed: the next time is reckoned from now.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Sql } from '#shared/db/connect-database.ts';
import { repeatOnLostDatabase } from '#shared/db/run-statements.ts';
import { calendarDocumentSchema } from '#shared/definitions/calendar-schema.ts';
import { nextCronTime } from '#shared/definitions/cron.ts';
import { type SourceDocument, sourceDocumentSchema } from '#shared/definitions/source-schema.ts';
import { LongshoreError } from '#shared/errors.ts';
import { msUntilOpen } from '#shared/expectations/open-hours.ts';
import type { BusinessDays } from '#shared/expectations/plan-occurrences.ts';
import { acknowledge, type Disposition } from '#shared/queue/disposition.ts';
import type { RemoteConnection, RemoteEntry } from '#shared/remotes/remote-connection.ts';
import type { RemoteDirectory } from '#shared/remotes/remote-directory.ts';
import { printable, RemoteError } from '#shared/remotes/remote-error.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { addPassedOver, type Gathered, gatherListing, isFileSize, type PassedOver } from './gather-listing.ts';
import type { PullMetrics } from './pull-metrics.ts';
import {
  type ClaimedSource,
  claimSource,
  endListing,
  type ListedFile,
  type ListingFacts,
  noteListing,
} from './source-transitions.ts';

export interface SourceListerOptions {
  readonly sql: Sql;
  readonly remotes: RemoteDirectory;
  readonly worker: string;
  readonly service: string;
  readonly leaseMs: number;
  readonly deadlineMs: number;
  readonly metrics: PullMetrics;
  readonly logger: Logger;
}

export interface SourceLister {
  handle(source: { readonly tenantId: string; readonly name: string }, stop: AbortSignal): Promise<Disposition>;
}

const PAGE = 1_000;
/** Files of one source that were seen and are not fetched. */
const MOST_WAITING = 200_000;
const FIRST_RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 900_000;
/** A file that is not ready is looked at again after this at the latest, however seldom its source is listed. */
const UNREADY_MS = 60_000;
const SOONEST_MS = 1_000;
const WHOLE_DAY = { from: '00:00', to: '24:00' } as const;
/** Closed days, one after the other as the schedule meets them, that are passed over. */
const MOST_CLOSED_DAYS = 1_000;
const REPEAT_FOR_MS = 60_000;

export function createSourceLister(options: SourceListerOptions): SourceLister {
  const { sql, remotes, worker, service, leaseMs, deadlineMs, metrics, logger } = options;
  const ask = <Answer>(statement: () => Promise<Answer>) =>
    repeatOnLostDatabase(statement, { deadlineMs: leaseMs, forMs: REPEAT_FOR_MS });

  async function list(claimed: ClaimedSource, source: SourceDocument, connection: RemoteConnection): Promise<Listed> {
    const facts: Omit<ListingFacts, 'mayAdd'> = {
      ...{
        tenantId: claimed.tenantId,
        name: claimed.name,
        epoch: claimed.epoch,
        claimedAt: claimed.claimedAt,
        leaseMs,
      },
      ...{ remote: source.remote, project: source.project, pipeline: source.pipeline ?? '' },
      maxAttempts: source.retry.maxAttempts,
      stableMs: 'stable' in source.ready ? source.ready.stable : null,
      ageMs: 'age' in source.ready ? source.ready.age : null,
    };
    let noted = 0;
    let left = 0;
    let room = MOST_WAITING - claimed.waitingFiles;
    let passedOver: PassedOver | undefined;
    async function note({ files, isReady }: Gathered): Promise<void> {
      for (let at = 0; at < files.length; at += PAGE) {
        const taken = files.slice(at, at + PAGE).map((entry) => ({
          remotePath: `${source.directory}${entry.name}`,
          entry,
          isReady: isReady(entry.name),
        }));
        const page = await describe(source, taken, connection);
        const answer = await ask(() => noteListing(sql, { ...facts, mayAdd: room > 0 }, page, service));
        if (answer === undefined) throw lostSource(claimed.name);
        noted += page.length;
        room -= answer.added;
        left += answer.left;
      }
    }
    // A server may take longer for its names than the lease lasts.
    const renewal = setInterval(() => {
      noteListing(sql, { ...facts, mayAdd: false }, [], service).catch(() => {});
    }, leaseMs / 4).unref();
    try {
      for (let share = 0, shares = 1; share < shares; share += 1) {
        // Shares differ from listing to listing: where one runs into its deadline, the next one sees other files.
        const slice = { salt: claimed.epoch, share, shares };
        const gathered = await gatherListing(source, connection.list(source.directory), slice);
        ({ shares } = gathered);
        passedOver = addPassedOver(passedOver, gathered.passedOver);
        await note(gathered);
      }
    } finally {
      clearInterval(renewal);
    }
    if (passedOver !== undefined)
      logger.warn(
        { tenant: claimed.tenantId, source: claimed.name, passedOver: passedOver.count },
        'entries of a listing are not taken',
      );
    return { files: noted, passedOver, left };
  }

  return {
    async handle({ tenantId, name }, stop) {
      const token = randomUUID();
      const startedMs = performance.now();
      const claimed = await ask(() => claimSource(sql, { tenantId, name, token, worker, leaseMs }));
      if (claimed === undefined) return acknowledge;
      const parsed = sourceDocumentSchema.safeParse(claimed.definition);
      const facts = { tenant: tenantId, source: name };
      const end = { tenantId, name, epoch: claimed.epoch, claimedAt: claimed.claimedAt };
      if (!parsed.success) {
        logger.error({ ...facts, err: parsed.error }, 'source definition cannot be used');
        const error = { code: 'ROUTE_INVALID', message: 'The stored definition cannot be used by this version.' };
        await ask(() =>
          endListing(sql, { ...end, remote: '', files: undefined, nextMs: LONGEST_RETRY_MS, unreadyMs: null, error }),
        );
        return acknowledge;
      }
      const source = parsed.data;
      const calendar = calendarDocumentSchema.safeParse(claimed.calendar);
      const days: BusinessDays = calendar.success ? calendar.data : { timeZone: claimed.timeZone };
      const next = nextListingMs(source, days, claimed.claimedAtMs);
      const signal = AbortSignal.any([stop, AbortSignal.timeout(deadlineMs)]);
      let error: { code: string; message: string } | undefined;
      let files: number | undefined;
      let waitMs: number | undefined;
      /** Of the server: not to be asked again so soon. */
      let wishMs = 0;
      try {
        const used = await remotes.use(
          { tenantId, name: source.remote },
          (connection) => list(claimed, source, connection),
          { signal },
        );
        if (used.type === 'used') {
          files = used.result.files;
          error = listedError(used.result);
        } else if (used.type === 'unknown') error = { code: 'REMOTE_UNKNOWN', message: `${used.message}.` };
        else {
          waitMs = used.afterMs;
          if (used.code !== undefined)
            error = {
              code: used.code,
              message: 'The remote refused these credentials; they are not tried again for now.',
            };
        }
      } catch (thrown) {
        if (!(thrown instanceof LongshoreError)) throw thrown;
        if (thrown.code === 'LEASE_LOST') return acknowledge;
        error = { code: thrown.code, message: thrown.message };
        if (thrown instanceof RemoteError) wishMs = Math.min(LONGEST_RETRY_MS, thrown.retryAfterMs);
      }
      const retryMs = Math.max(
        wishMs,
        Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(claimed.failures, 10)),
      );
      const againMs = waitMs ?? (error === undefined || files !== undefined ? undefined : retryMs);
      const unreadyMs = unreadyAfter(source);
      await ask(() =>
        endListing(sql, {
          ...{ ...end, remote: source.remote, files, error },
          nextMs: againMs ?? next,
          unreadyMs: againMs === undefined ? unreadyMs : null,
        }),
      );
      const outcome = files === undefined ? 'failed' : 'whole';
      metrics.listingSeconds.observe({ outcome }, (performance.now() - startedMs) / 1_000);
      logger.info({ ...facts, files, code: error?.code }, 'source listed');
      return acknowledge;
    },
  };
}

/** From now: null when it is listed on request only. */
export function nextListingMs({ when }: SourceDocument, days: BusinessDays, nowMs: number): number | null {
  if (when === 'on-request') return null;
  const { timeZone } = days;
  if ('every' in when) return when.every + msUntilOpen({ ...WHOLE_DAY, timeZone }, nowMs + when.every, days);
  const zone = when.timeZone ?? timeZone;
  let nextMs: number | undefined;
  for (let fromMs = nowMs, left = MOST_CLOSED_DAYS; left > 0; left -= 1) {
    nextMs = nextCronTime(when.cron, zone, fromMs);
    const closedMs = nextMs === undefined ? 0 : msUntilOpen({ ...WHOLE_DAY, timeZone: zone }, nextMs, days);
    if (nextMs === undefined || closedMs === 0) break;
    // A time at midnight itself is one of that day.
    fromMs = nextMs + closedMs - 1;
  }
  return nextMs === undefined ? null : Math.max(SOONEST_MS, nextMs - nowMs);
}

function unreadyAfter({ ready }: SourceDocument): number | null {
  if ('stable' in ready) return Math.max(SOONEST_MS, Math.min(UNREADY_MS, ready.stable));
  if ('age' in ready) return UNREADY_MS;
  return null;
}

interface Taken {
  readonly remotePath: string;
  readonly entry: RemoteEntry;
  readonly isReady: boolean;
}

interface Listed {
  readonly files: number;
  readonly passedOver: PassedOver | undefined;
  /** New files for which there was no room. */
  readonly left: number;
}

/** What is noted of a source whose other files are fetched. */
function listedError({ passedOver, left }: Listed): { code: string; message: string } | undefined {
  if (passedOver !== undefined) {
    const { count, example } = passedOver;
    const entries = count === 1 ? '1 entry is' : `${count} entries are`;
    return { code: 'SOURCE_ENTRIES_PASSED_OVER', message: `${entries} passed over, the first: ${printable(example)}` };
  }
  if (left === 0) return undefined;
  return {
    code: 'SOURCE_BACKLOG',
    message: `${left} further ${left === 1 ? 'file is' : 'files are'} taken once fewer than ${MOST_WAITING} wait.`,
  };
}

/** Where the listing tells no exact time the file is asked for its own. */
async function describe(
  source: SourceDocument,
  taken: readonly Taken[],
  connection: RemoteConnection,
): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  for (const { remotePath, entry, isReady } of taken) {
    const isExact = entry.modifiedAt !== undefined && entry.sizeBytes !== undefined;
    const facts = isExact || source.identity === 'name' ? entry : await connection.stat(remotePath);
    if (facts === undefined || !isFileSize(facts.sizeBytes ?? 0)) continue;
    const size = facts.sizeBytes ?? null;
    const time = facts.modifiedAt ?? null;
    const identity = source.identity === 'name' ? ['name'] : [size, time];
    const identityHash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32);
    files.push({ remotePath, identityHash, size, time, isReady });
  }
  return files;
}

function lostSource(name: string): LongshoreError {
  return new LongshoreError('LEASE_LOST', `The source ${name} was taken over by somebody else.`);
}
