/**
 * Typed queue messages: a name, a version and a zod schema, from which the TypeScript type is inferred.
 *
 * 1. A body is `{"type": name, "v": version, ...payload}`; in code a message is `{type, ...payload}`, so that a handler can
 *    switch on `type`.
 * 2. Decoding never throws, whatever the body: what cannot be read is a value with code `MESSAGE_INVALID`.
 * 3. Bodies of older versions are upgraded step by step, so that version N reads what N-1 wrote.
 */

import type { Message, MessageSystemAttributeName } from '@aws-sdk/client-sqs';
import type { z } from 'zod';

type Payload = Record<string, unknown>;
type AnyMessage = { readonly type: string };

export type DecodeResult<Message> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly code: 'MESSAGE_INVALID'; readonly reason: string };

export interface MessageDefinition<Message = AnyMessage> {
  readonly name: string;
  /** Whether this definition is the one to read `body` (the parsed JSON). */
  accepts(body: Payload): boolean;
  decode(body: Payload): DecodeResult<Message>;
  /** The body to send. Throws a ZodError when the message does not fit its schema: that is a bug of the sender. */
  encode(message: Message): string;
}

/** The message type of a definition, or of several: `MessageOf<typeof fileArrived>`. */
export type MessageOf<Definition> = Definition extends MessageDefinition<infer Message> ? Message : never;

export interface OlderVersion {
  readonly version: number;
  readonly schema: z.ZodType<Payload>;
  /** Turns this version's payload into the next newer version's. */
  upgrade(payload: Payload): Payload;
}

export interface DefineMessageOptions<Name extends string, Schema extends z.ZodType<Payload>> {
  readonly name: Name;
  readonly version: number;
  readonly schema: Schema;
  /** Versions that may still be in a queue, in any order. */
  readonly older?: readonly OlderVersion[];
}

export function defineMessage<const Name extends string, Schema extends z.ZodType<Payload>>({
  name,
  version,
  schema,
  older = [],
}: DefineMessageOptions<Name, Schema>): MessageDefinition<{ readonly type: Name } & z.output<Schema>> {
  type Message = { readonly type: Name } & z.output<Schema>;
  const oldestFirst = [...older].sort((a, b) => a.version - b.version);

  return {
    name,
    accepts: (body) => body.type === name,
    decode({ type: _type, v, ...payload }) {
      if (v === version) return parse<Message>(schema, payload, name);
      const start = oldestFirst.findIndex((candidate) => candidate.version === v);
      if (start === -1) return invalid(`${name}: version ${JSON.stringify(v)} is not known here`);
      let upgraded: Payload = payload;
      for (const step of oldestFirst.slice(start)) {
        const parsed = step.schema.safeParse(upgraded);
        if (!parsed.success) return invalid(describe(name, parsed.error));
        upgraded = step.upgrade(parsed.data);
      }
      return parse<Message>(schema, upgraded, name);
    },
    encode({ type: _type, ...payload }) {
      return toMessageBody({ type: name, v: version, ...schema.parse(payload) });
    },
  };
}

export interface DefineExternalMessageOptions<Name extends string, Schema extends z.ZodType<Payload>> {
  readonly name: Name;
  /** A cheap look at the parsed JSON: is it this kind of message at all? */
  readonly accepts: (body: Payload) => boolean;
  readonly schema: Schema;
}

/** A message whose body someone else defines, e.g. an EventBridge event: it carries neither our `type` nor our `v`. */
export function defineExternalMessage<const Name extends string, Schema extends z.ZodType<Payload>>({
  name,
  accepts,
  schema,
}: DefineExternalMessageOptions<Name, Schema>): MessageDefinition<{ readonly type: Name } & z.output<Schema>> {
  return {
    name,
    accepts,
    decode: (body) => parse(schema, body, name),
    encode: ({ type: _type, ...body }) => toMessageBody(body),
  };
}

/** Reads a queue message's body with the first of `definitions` that accepts it. */
export function decodeMessage<Message>(
  definitions: readonly MessageDefinition<Message>[],
  body: string | undefined,
): DecodeResult<Message> {
  let json: unknown;
  try {
    json = JSON.parse(body ?? '');
  } catch {
    return invalid('the body is not JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return invalid('the body is not a JSON object');
  const payload = json as Payload;
  try {
    const definition = definitions.find((candidate) => candidate.accepts(payload));
    if (definition === undefined) return invalid('the body is not one of the message types of this queue');
    return definition.decode(payload);
  } catch (error) {
    // An `accepts` or `upgrade` that did not expect this body.
    return invalid(`the body cannot be read: ${String(error)}`);
  }
}

function parse<Message>(schema: z.ZodType<Payload>, payload: Payload, name: string): DecodeResult<Message> {
  const parsed = schema.safeParse(payload);
  if (!parsed.success) return invalid(describe(name, parsed.error));
  return { ok: true, message: { ...parsed.data, type: name } as unknown as Message };
}

function describe(name: string, error: z.ZodError): string {
  const faults = error.issues.map((issue) => `${issue.path.join('.') || '(body)'}: ${issue.message}`);
  return `${name}: ${faults.join('; ')}`;
}

function invalid(reason: string): { ok: false; code: 'MESSAGE_INVALID'; reason: string } {
  return { ok: false, code: 'MESSAGE_INVALID', reason };
}

/** Amazon SQS takes only XML 1.0 characters, and not every compatible server takes those beyond the BMP: escaped, all pass. */
export function toMessageBody(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\ud800-\udfff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export interface Received<Payload> {
  readonly message: Payload;
  readonly messageId: string;
  /** The body as it came. */
  readonly body: string;
  /** 1 at the first delivery. */
  readonly receiveCount: number;
  readonly sentAt: Date;
  /** FIFO queues only. */
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  /** String message attributes, e.g. trace context. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** What `describeReceived` reads, to be asked for with each receive. */
export const SYSTEM_ATTRIBUTES: MessageSystemAttributeName[] = [
  'ApproximateReceiveCount',
  'SentTimestamp',
  'MessageGroupId',
  'MessageDeduplicationId',
];

export function describeReceived(message: Message): Omit<Received<never>, 'message'> {
  const { Attributes = {}, MessageAttributes = {} } = message;
  return {
    messageId: message.MessageId ?? '',
    body: message.Body ?? '',
    receiveCount: Number(Attributes.ApproximateReceiveCount ?? 1),
    sentAt: new Date(Number(Attributes.SentTimestamp ?? 0)),
    groupId: Attributes.MessageGroupId,
    deduplicationId: Attributes.MessageDeduplicationId,
    attributes: Object.fromEntries(
      Object.entries(MessageAttributes).flatMap(([name, { StringValue }]) =>
        StringValue === undefined ? [] : [[name, StringValue]],
      ),
    ),
  };
}
