/** A route's `match`, ready to be asked about a file. */
import { compileLinearPattern } from '#shared/definitions/linear-pattern.ts';
import { msUntilOpen } from '#shared/expectations/open-hours.ts';
import { compileGlobs } from './match-glob.ts';
import type { Hours, Match } from './match-schema.ts';

/** What a file shows only when its object is read. */
export interface FileContentFacts {
  /** By its first bytes, as an extension; `unknown` for bytes that are neither text nor of a known type. */
  readonly type: string;
  /** Of text, without its end, and cut off where it is very long; null for everything else. */
  readonly firstLine: string | null;
}

export interface FileToMatch {
  /** In the tenant's home, without the tenant's prefix. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Where it arrived. */
  readonly region: string;
  /** As in `files.source`. */
  readonly source: string;
  readonly uploadedBy: string | null;
  readonly arrivedAtMs: number;
  /** Of the tenant. */
  readonly timeZone: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Undefined: not read. */
  readonly content?: FileContentFacts | undefined;
  /** Undefined: not read. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** `content unread`, `tags unread`: everything else fits, and this decides. */
export type Refusal =
  | 'no match'
  | 'path'
  | 'excluded'
  | 'empty'
  | 'too small'
  | 'too large'
  | 'source'
  | 'user'
  | 'time'
  | 'region'
  | 'metadata'
  | 'tags'
  | 'type'
  | 'header'
  | 'content unread'
  | 'tags unread';

export const REFUSALS: Readonly<Record<Refusal, string>> = {
  'no match': 'runOnly: other routes run it',
  path: 'no glob of match.path matches the path',
  excluded: 'match.exclude excludes the path',
  empty: 'the file is empty, and acceptEmpty is false',
  'too small': 'the file is smaller than match.minSize',
  'too large': 'the file is larger than match.maxSize',
  source: 'it came in a way that match.source does not name',
  user: 'match.user does not name who sent it',
  time: 'it came outside the hours of match.time',
  region: 'it arrived in a region that match.region does not name',
  metadata: 'its metadata is not as match.metadata says',
  tags: 'its tags are not as match.tags says',
  type: 'its content is of a type that match.type does not name',
  header: 'its first line is not as match.header says',
  'content unread': 'it may: match.type or match.header decides by its content, which was not read',
  'tags unread': 'it may: match.tags decides by its tags, which were not read',
};

export interface CompiledMatch {
  /** Whether it can be undecided by the file's row alone. */
  readonly readsObject: boolean;
  /** Why it does not match; undefined when it does. What costs a read is asked last. */
  refuses(file: FileToMatch): Refusal | undefined;
  /** The path alone: tells apart why a file does not match. */
  takesPath(path: string): boolean;
}

type Condition = (file: FileToMatch) => Refusal | undefined;

export function compileMatch(match: Match, acceptEmpty: boolean): CompiledMatch {
  const { isTaken, isExcluded } = compilePaths(match);
  const conditions: Condition[] = [
    ({ sizeBytes }) => (sizeBytes === 0 && !acceptEmpty ? 'empty' : undefined),
    ({ sizeBytes }) => (sizeBytes < (match.minSize ?? 0) ? 'too small' : undefined),
    ({ sizeBytes }) => (sizeBytes > (match.maxSize ?? Number.POSITIVE_INFINITY) ? 'too large' : undefined),
    ({ path }) => (isTaken(path) ? undefined : 'path'),
    ({ path }) => (isExcluded(path) ? 'excluded' : undefined),
    ...knownConditions(match),
    ...readConditions(match),
  ];
  return {
    readsObject: match.tags !== undefined || match.type !== undefined || match.header !== undefined,
    refuses(file) {
      for (const condition of conditions) {
        const refusal = condition(file);
        if (refusal !== undefined) return refusal;
      }
      return undefined;
    },
    takesPath: (path) => isTaken(path) && !isExcluded(path),
  };
}

export function compilePaths(match: Pick<Match, 'path' | 'exclude'>) {
  return { isTaken: compileGlobs(match.path), isExcluded: compileGlobs(match.exclude) };
}

/** 0 while it is within the hours, else until they begin. */
export function msUntilHours({ days: weekdays, ...hours }: Hours, nowMs: number, timeZone: string): number {
  return msUntilOpen({ ...hours, timeZone }, nowMs, weekdays === undefined ? {} : { weekdays });
}

/** To the next time of that day. */
export function msUntilTime(time: string, nowMs: number, timeZone: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  const minute = (hours * 60 + minutes + 1) % 1_440;
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  const to = `${twoDigits(Math.floor(minute / 60))}:${twoDigits(minute % 60)}`;
  return msUntilOpen({ from: time, to, timeZone }, nowMs);
}

/** Of what is in the file's row. */
function* knownConditions({ source, user, time, region, metadata }: Match): Generator<Condition> {
  if (source !== undefined) yield (file) => (source.some((each) => each === sourceOf(file)) ? undefined : 'source');
  if (user !== undefined) {
    const isOne = compileGlobs(user);
    yield ({ uploadedBy }) => (uploadedBy !== null && isOne(uploadedBy) ? undefined : 'user');
  }
  if (time !== undefined) {
    yield ({ arrivedAtMs, timeZone }) =>
      time.some((hours) => msUntilHours(hours, arrivedAtMs, timeZone) === 0) ? undefined : 'time';
  }
  if (region !== undefined) yield (file) => (region.includes(file.region) ? undefined : 'region');
  if (metadata !== undefined) {
    const fits = compileValues(metadata);
    yield (file) => (fits(file.metadata) ? undefined : 'metadata');
  }
}

/** Of what has to be asked of the object store. */
function* readConditions({ tags, type, header }: Match): Generator<Condition> {
  if (tags !== undefined) {
    const fits = compileValues(tags);
    yield (file) => (file.tags === undefined ? 'tags unread' : fits(file.tags) ? undefined : 'tags');
  }
  if (type !== undefined) {
    yield ({ content }) =>
      content === undefined ? 'content unread' : type.includes(content.type) ? undefined : 'type';
  }
  if (header !== undefined) {
    const fits = compileHeader(header);
    yield ({ content }) =>
      content === undefined
        ? 'content unread'
        : content.firstLine !== null && fits(content.firstLine)
          ? undefined
          : 'header';
  }
}

/** A file that was found without its event is what its object says. */
function sourceOf({ source, uploadedBy }: FileToMatch): string {
  if (source !== 'reconciliation') return source;
  return uploadedBy === null ? 's3' : 'sftp';
}

function compileValues(globs: Readonly<Record<string, string>>) {
  const compiled = Object.entries(globs).map(([name, glob]) => ({ name, fits: compileGlobs([glob]) }));
  return (values: Readonly<Record<string, string>>): boolean =>
    compiled.every(({ name, fits }) => Object.hasOwn(values, name) && fits(values[name] ?? ''));
}

function compileHeader({ columns, delimiter, pattern }: NonNullable<Match['header']>): (line: string) => boolean {
  const compiled = pattern === undefined ? undefined : compileLinearPattern(pattern);
  return (line) => {
    if (compiled !== undefined && !(compiled.ok && compiled.matches(line))) return false;
    const names = new Set(line.split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, '$1')));
    return columns?.every((name) => names.has(name)) ?? true;
  };
}
