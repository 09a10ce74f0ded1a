/**
 * `publish`: one message for the file, or one for each of its rows.
 *
 * 1. Every message has the attribute `longshore-key`, the same for every try; where there are no attributes, it is a field of the body.
 * 2. Messages are sent in parts, each its own effect: what is done is not sent again.
 * 3. A FIFO target drops what it was sent before, for five minutes: within four a part whose reply was lost is repeated, later it is
 *    ambiguous. Other targets are sent it again, which the route has allowed.
 * 4. Of a file that its layout rejects nothing is sent: it is read once before.
 */
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import type { RecordsLayout } from '#shared/definitions/routes/records-schema.ts';
import { type EffectTarget, type NotDone, runEffect } from '#shared/effects/run-effect.ts';
import { FormatFault } from '#shared/formats/format-fault.ts';
import {
  bytesOf,
  MOST_BATCH_BYTES,
  type OutgoingMessage,
  type SendMessages,
  type SentMessages,
} from '#shared/queue/publish-messages.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import { readRows, refusedFile } from '../load/read-rows.ts';
import { faultMessage, readRecordFile } from '../read-record-file.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import { currentName, factsOfFile } from '../step-keys.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { isFifo, type PublishOptions, publishOptions } from './options.ts';

const PART_MESSAGES = 500;
/** SQS and SNS know a deduplication id for five minutes. */
const REPEATABLE_MS = 240_000;

type Context = StepContext<PublishOptions>;

export const publishStep: StepKind<PublishOptions> = {
  kind: publishOptions.kind,
  classOf: publishOptions.classOf,
  run: (context) =>
    withStoreFailures('DELIVERY_ERROR', async () => {
      const send = context.targets?.sendMessages;
      if (send === undefined) return retry('DELIVERY_ERROR', 'PUBLISH_UNAVAILABLE', 'This service publishes nothing.');
      const publisher = createPublisher(context, send);
      if (context.options.per === 'file') {
        const ended = await publisher.publish([messageOfFile(context)]);
        return ended ?? succeeded(context, 1, 0);
      }
      const { records } = context;
      if (records === undefined) return failed('DELIVERY_ERROR', 'STEP_INPUT_MISSING', 'The route has no `records`.');
      try {
        return await publishRows(context, records.layout, publisher);
      } catch (error) {
        if (!(error instanceof FormatFault)) throw error;
        return failed('DELIVERY_ERROR', error.code, faultMessage(error));
      }
    }),
};

function succeeded({ options }: Context, messages: number, rejected: number): StepOutcome {
  const { to, target } = options;
  return { type: 'succeeded', output: { to, target, messages, ...(rejected > 0 && { rejected }) } };
}

async function publishRows(context: Context, layout: RecordsLayout, publisher: Publisher): Promise<StepOutcome> {
  const { idempotencyKey, signal } = context;
  const group = groupOf(context);
  const read = await readRows(context, layout, async () => {});
  if (!read.isAccepted) return refusedFile(read);
  let count = 0;
  let part: OutgoingMessage[] = [];
  for await (const items of readRecordFile(context, layout)) {
    for (const item of items) {
      if (item.type !== 'row') continue;
      const message = {
        body: JSON.stringify(item.values),
        key: `${idempotencyKey}/${count}`,
        group,
        about: 'record' as const,
      };
      if (bytesOf(message) > MOST_BATCH_BYTES) {
        const message = `Line ${item.line} is larger than a message may be, ${MOST_BATCH_BYTES} bytes; what was before it is sent.`;
        return failed('DELIVERY_ERROR', 'CONTENT_TOO_LARGE', message);
      }
      count += 1;
      part.push(message);
      if (part.length < PART_MESSAGES) continue;
      const ended = await publisher.publish(part);
      if (ended !== undefined) return ended;
      part = [];
      signal.throwIfAborted();
    }
  }
  const ended = part.length === 0 ? undefined : await publisher.publish(part);
  return ended ?? succeeded(context, count, read.summary.rejected);
}

interface Publisher {
  /** As the next part. Undefined once it is sent. */
  publish(messages: readonly OutgoingMessage[]): Promise<StepOutcome | undefined>;
}

interface PublishFacts extends Readonly<Record<string, unknown>> {
  readonly to: string;
  readonly target: string;
  readonly messages: number;
  /** When it was sent first, by the database's clock. */
  readonly sentAtMs: number;
  /** An earlier try may have sent them. */
  readonly mayHaveArrived: boolean;
}

function createPublisher(context: Context, send: SendMessages): Publisher {
  const { options, effects, now, signal } = context;
  const startedMs = performance.now();
  const nowMs = (): number => now.getTime() + performance.now() - startedMs;
  let next = 0;

  function targetOf(messages: readonly OutgoingMessage[]): EffectTarget<PublishFacts> {
    let wasAsked = false;
    let wasSent = false;
    return {
      async prepare(left) {
        const mayHaveArrived = wasAsked || left?.mayHaveArrived === true;
        const sentAtMs = (mayHaveArrived ? left?.sentAtMs : undefined) ?? nowMs();
        const { to, target } = options;
        const facts = { to, target, messages: messages.length, sentAtMs, mayHaveArrived };
        return { type: 'prepared', facts };
      },
      async commit(facts) {
        wasSent = true;
        const sent = await sending(() => send(options, messages, signal));
        if (sent.type === 'sent') return { type: 'done', facts };
        const message = `The ${options.to} target: ${sent.message}.`;
        // What was sent before may have been taken.
        if (sent.type === 'unsure' || (facts.mayHaveArrived && isFifo(options)))
          return { type: 'unsure', cause: 'PUBLISH_UNAVAILABLE', message };
        return { type: 'not-done', outcome: notDone(sent.mayPass, message) };
      },
      async ask(facts) {
        if (!isFifo(options)) return { type: 'not-done' };
        if (nowMs() - facts.sentAtMs < REPEATABLE_MS) {
          if (!wasSent) {
            wasAsked = true;
            return { type: 'not-done' };
          }
          // It stays committed, so that the next try is asked how long ago it was.
          return { type: 'later', outcome: notDone(true, 'It is not known whether the messages were taken.') };
        }
        const message = `It is not known whether the ${facts.messages} messages were taken; look for their longshore-key.`;
        return { type: 'unknown', message };
      },
    };
  }

  return {
    async publish(messages) {
      const part = next;
      next += 1;
      const end = await runEffect({ log: effects, part, code: 'DELIVERY_ERROR', target: targetOf(messages) });
      return end.type === 'ended' ? end.outcome : undefined;
    },
  };
}

async function sending(work: () => Promise<SentMessages>): Promise<SentMessages> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SecretError)) throw error;
    return { type: 'refused', mayPass: true, message: error.message.replace(/\.$/, '') };
  }
}

function notDone(mayPass: boolean, message: string): NotDone {
  return mayPass
    ? { type: 'retry', code: 'DELIVERY_ERROR', cause: 'PUBLISH_UNAVAILABLE', message }
    : { type: 'failed', code: 'DELIVERY_ERROR', cause: 'PUBLISH_REFUSED', message };
}

function messageOfFile(context: Context): OutgoingMessage {
  const { file, job, object, idempotencyKey } = context;
  const body = {
    file: file.id,
    tenant: file.tenantId,
    path: file.key.slice(file.tenantId.length + 1),
    name: currentName(context),
    sizeBytes: object.sizeBytes,
    receivedAt: file.receivedAt.toISOString(),
    route: job.routeName,
    job: job.id,
    key: idempotencyKey,
  };
  return { body: JSON.stringify(body), key: idempotencyKey, group: groupOf(context), about: 'file' };
}

/** At most 128 of printable ASCII. */
function groupOf(context: Context): string {
  const compiled = compileNameTemplate(context.options.group);
  const group = compiled.ok ? compiled.render(factsOfFile(context)) : '';
  return group.replaceAll(/[^\w.-]/g, '-').slice(0, 128) || 'longshore';
}
