/**
 * `GET /api/v1/live?topics=`: what changes, as server-sent events, for whoever has a page of it open.
 *
 * 1. Events carry ids and states; whoever may see more asks for it.
 * 2. Its own tenant hears alone: a topic of another tenant's file is silent, as that of a file that is not there.
 * 3. `Last-Event-ID` resumes up to five minutes later, at any process; `reset` says that what happened meanwhile is not known.
 * 4. A client that does not read in time misses events, and hears so by `reset`.
 */
import { z } from 'zod';
import { MOST_CHANGES } from '#shared/api/live.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import type { Logger } from '#shared/runtime/logger.ts';
import { parseJson } from '#shared/text/parse-json.ts';
import { type ApiServer, errorReplies } from '../http/api-server.ts';
import type { EventStream, EventStreams } from '../http/event-streams.ts';
import { idField } from '../http/request-fields.ts';
import { callerOf } from '../http/request-guard.ts';
import { type Changes, findChanges, type OfTenant, type Place } from './find-changes.ts';
import { createChangeWatch, LONGEST_GAP_MS } from './watch-changes.ts';

const MOST_TOPICS = 50;
/** What is resumed from must not grow old while nothing happens. */
const MARKED_EVERY_MS = 15_000;

interface Topics {
  readonly files: boolean;
  readonly actions: boolean;
  readonly fileIds: ReadonlySet<string>;
  readonly actionIds: ReadonlySet<string>;
}

const topicField = z.union([
  z.literal(['files', 'actions']),
  z
    .string()
    .regex(/^(?:file|action):/)
    .refine((topic) => idField.safeParse(topic.slice(topic.indexOf(':') + 1)).success),
]);

const topicsField = z
  .string()
  .max(4_000)
  .transform((text, context): Topics => {
    const names = text.split(',');
    const isKnown = names.length <= MOST_TOPICS && names.every((name) => topicField.safeParse(name).success);
    if (!isKnown) {
      const message = `is not a list of at most ${MOST_TOPICS} topics: files, actions, file:ID, action:ID`;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    const idsOf = (kind: string) =>
      new Set(
        names.flatMap((name) => (name.startsWith(`${kind}:`) ? [name.slice(kind.length + 1).toLowerCase()] : [])),
      );
    return {
      files: names.includes('files'),
      actions: names.includes('actions'),
      fileIds: idsOf('file'),
      actionIds: idsOf('action'),
    };
  })
  .describe(`One to ${MOST_TOPICS}, with commas between them: files, actions, file:ID, action:ID.`);

export function handleLive(
  app: ApiServer,
  { sql, logger }: { readonly sql: Sql; readonly logger: Logger },
  streams: EventStreams,
): void {
  const watch = createChangeWatch({ sql, logger });
  app.addHook('preClose', async () => watch.close());

  app.get(
    '/api/v1/live',
    {
      schema: {
        summary: 'What changes, with server-sent events: ready, changed, many, progress, action, reset, session-ends',
        description:
          'Events carry ids and states. `changed` is of a file, `many` says that a topic changed more than 100 times in a second, `reset` that what happened since the last event is not known. Come again with Last-Event-ID within five minutes.',
        tags: ['files'],
        querystring: z.strictObject({ topics: topicsField }),
        produces: ['text/event-stream'],
        response: { 200: z.string().describe('A stream of events.'), ...errorReplies },
      },
    },
    async (request, reply) => {
      const { topics } = request.query;
      const { tenantId } = callerOf(request);
      const since = placeOf(request.headers['last-event-id']);
      const stream = streams.open(request, reply, { farewell: 'session-ends' });
      const sender = new ChangeSender(stream, topics, tenantId);
      const listener = {
        fileIds: [...topics.fileIds],
        actionIds: [...topics.actionIds],
        notify: (changes: Changes | 'reset') => sender.send(changes),
      };
      stream.onEnd(watch.listen(listener));
      if (since !== undefined)
        await catchUp(sql, since, sender).catch((err: unknown) => {
          logger.warn({ err }, 'a stream cannot be resumed');
          sender.send('reset');
        });
      return reply;
    },
  );
}

/** Sends what changed since that place; what the watch sends meanwhile may come twice. */
async function catchUp(sql: Sql, since: Place | 'unknown', sender: ChangeSender): Promise<void> {
  if (since === 'unknown') {
    sender.send('reset');
    return;
  }
  const { place } = await findChanges(sql, undefined);
  const age = place.at - since.at;
  sender.send(age < 0 || age > LONGEST_GAP_MS ? 'reset' : await findChanges(sql, since));
}

/** One client: its topics, and what it was sent last. */
class ChangeSender {
  readonly #stream: EventStream;
  readonly #topics: Topics;
  readonly #tenantId: string | null;
  readonly #last = new Map<string, string>();
  #isReady = false;
  #markedAt = 0;
  #hasMissed = false;

  constructor(stream: EventStream, topics: Topics, tenantId: string | null) {
    this.#stream = stream;
    this.#topics = topics;
    this.#tenantId = tenantId;
  }

  send(changes: Changes | 'reset'): void {
    if (this.#stream.isFull) {
      this.#hasMissed = true;
      return;
    }
    if (changes === 'reset' || this.#hasMissed) this.#stream.send('reset', {});
    this.#hasMissed = false;
    if (changes === 'reset') return;
    const id = idOf(changes.place);
    if (!this.#isReady) this.#stream.send('ready', { at: new Date(changes.place.at).toISOString() }, id);
    this.#isReady = true;
    const isSent = [this.#sendFiles(changes, id), this.#sendActions(changes, id), this.#sendProgress(changes, id)];
    const isDue = changes.place.at - this.#markedAt > MARKED_EVERY_MS;
    if (!isSent.includes(true) && isDue) this.#stream.mark(id);
    if (isSent.includes(true) || isDue) this.#markedAt = changes.place.at;
  }

  #sendFiles({ files, isCut }: Changes, id: string): boolean {
    const own = files.filter((file) => this.#sees(file));
    const isMany = isCut || own.length > MOST_CHANGES;
    const { fileIds } = this.#topics;
    if (this.#topics.files && isMany) this.#stream.send('many', { topic: 'files' }, id);
    if (isCut) for (const fileId of fileIds) this.#stream.send('many', { topic: `file:${fileId}` }, id);
    const shown = own.filter((file) => fileIds.has(file.file_id) || (this.#topics.files && !isMany));
    for (const file of shown) this.#stream.send('changed', withoutTenant(file), id);
    return shown.length > 0 || (this.#topics.files && isMany);
  }

  #sendActions({ actions, actionTenants }: Changes, id: string): boolean {
    const isAny = this.#topics.actions && actionTenants.some((tenant) => this.#sees({ tenant }));
    if (isAny) this.#stream.send('many', { topic: 'actions' }, id);
    const own = actions.filter((action) => this.#topics.actionIds.has(action.action_id) && this.#sees(action));
    return own.filter((action) => this.#sendIfNew('action', action.action_id, action, id)).length > 0 || isAny;
  }

  #sendProgress({ progress }: Changes, id: string): boolean {
    const own = progress.filter((copy) => this.#topics.fileIds.has(copy.file_id) && this.#sees(copy));
    const isNew = (copy: (typeof own)[number]) =>
      this.#sendIfNew('progress', `${copy.job_id ?? copy.file_id} ${copy.purpose}`, copy, id);
    return own.filter(isNew).length > 0;
  }

  #sendIfNew(event: string, subject: string, value: OfTenant<object>, id: string): boolean {
    const data = withoutTenant(value);
    const text = JSON.stringify(data);
    if (this.#last.get(`${event} ${subject}`) === text) return false;
    this.#last.set(`${event} ${subject}`, text);
    this.#stream.send(event, data, id);
    return true;
  }

  #sees({ tenant }: { readonly tenant: string | null }): boolean {
    return this.#tenantId === null || tenant === this.#tenantId;
  }
}

function withoutTenant<Value extends { readonly tenant: string | null }>({ tenant: _, ...data }: Value) {
  return data;
}

function idOf({ at, snapshot }: Place): string {
  return Buffer.from(JSON.stringify([Math.floor(at), snapshot])).toString('base64url');
}

const placeSchema = z.tuple([
  z.number().int().min(0),
  z
    .string()
    .max(2_000)
    .regex(/^\d{1,19}:\d{1,19}:[\d,]*$/),
]);

/** Unknown: it is not an id of ours. */
function placeOf(lastEventId: string | string[] | undefined): Place | 'unknown' | undefined {
  if (lastEventId === undefined) return undefined;
  const parsed = placeSchema.safeParse(parseJson(Buffer.from(String(lastEventId), 'base64url').toString()));
  return parsed.success ? { at: parsed.data[0], snapshot: parsed.data[1] } : 'unknown';
}
