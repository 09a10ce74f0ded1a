/**
 * Messages to a tenant's own queue (SQS), topic (SNS), stream (Kinesis) or event bus (EventBridge), in batches.
 *
 * 1. Endpoint, region and credentials are the route's, never those of the fleet's environment; no address is called that the guard refuses.
 * 2. A batch is answered entry by entry: what was not taken is sent again, a few times.
 * 3. The clients of the SDK are loaded by the first use.
 */
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBridgeClientConfig } from '@aws-sdk/client-eventbridge';
import type { KinesisClientConfig } from '@aws-sdk/client-kinesis';
import { z } from 'zod';
import type { AddressGuard } from '#shared/http/address-guard.ts';
import { type SecretStore, unavailableSecret } from '#shared/runtime/secrets/secret-store.ts';
import { parseJson } from '#shared/text/parse-json.ts';

export interface MessagePlace {
  readonly to: 'sqs' | 'sns' | 'kinesis' | 'eventbridge';
  /** URL of the queue; ARN of the topic, the stream or the bus. */
  readonly target: string;
  readonly region: string;
  /** That of AWS in the region when absent. */
  readonly endpoint?: string | undefined;
  /** Secret of the tenant. */
  readonly credentials: string;
}

export interface OutgoingMessage {
  /** JSON, an object. */
  readonly body: string;
  /** The same for every try. */
  readonly key: string;
  /** Of FIFO queues and topics, and what decides the shard of a stream. */
  readonly group?: string | undefined;
  /** What it is about, as the bus's rules match it. */
  readonly about: 'file' | 'record';
}

export type SentMessages =
  | { readonly type: 'sent' }
  /** Certainly none of them was taken. */
  | { readonly type: 'refused'; readonly mayPass: boolean; readonly message: string }
  /** Some may have been taken. */
  | { readonly type: 'unsure'; readonly message: string };

export type SendMessages = (
  place: MessagePlace,
  messages: readonly OutgoingMessage[],
  signal: AbortSignal,
) => Promise<SentMessages>;

const credentialsSchema = z.strictObject({
  accessKeyId: z.string().min(1).max(200),
  secretAccessKey: z.string().min(1).max(1_000),
  sessionToken: z.string().min(1).optional(),
});
const MOST_ENTRIES = { sqs: 10, sns: 10, kinesis: 500, eventbridge: 10 } as const;
/** Of one message as well. A stream takes more; one bound is easier to know. */
export const MOST_BATCH_BYTES = 262_144;
const DEADLINE_MS = 10_000;
const MOST_TRIES = 4;
const PAUSE_MS = 200;
const BUSY = /throttl|too many requests|request limit|throughput ?exceeded|limit ?exceeded|internal/i;

/** Ids of the entries that were not taken, and how the service says so. */
interface Untaken {
  readonly id: string;
  readonly isOurFault: boolean;
  readonly code: string;
}
interface Client {
  send(batch: readonly (OutgoingMessage & { readonly id: string })[], signal: AbortSignal): Promise<readonly Untaken[]>;
  close(): void;
}

/** `secrets`: of the tenant. */
export function createSendMessages(secrets: SecretStore, addressGuard: AddressGuard): SendMessages {
  return async (place, messages, signal) => {
    const endpoint = place.endpoint ?? endpointOfAmazon(place);
    const host = new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
    // Node looks up names only: an address in the URL would pass by the guard.
    if (isIP(host) !== 0 && !addressGuard.isAllowed(host))
      return { type: 'refused', mayPass: false, message: `the address ${host} may not be called` };
    const credentials = await readCredentials(secrets, place.credentials);
    const client = await openClient(place, { endpoint, credentials, lookup: addressGuard.lookup });
    try {
      return await sendAll(client, batchesOf(messages, MOST_ENTRIES[place.to]), signal);
    } finally {
      client.close();
    }
  };
}

async function sendAll(
  client: Client,
  batches: Iterable<readonly OutgoingMessage[]>,
  signal: AbortSignal,
): Promise<SentMessages> {
  let wasSent = false;
  for (const batch of batches) {
    let open = batch.map((message, index) => ({ ...message, id: String(index) }));
    for (let tries = 1; open.length > 0; tries += 1) {
      let untaken: readonly Untaken[];
      try {
        untaken = await client.send(open, AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]));
      } catch (error) {
        const fault = faultOf(error);
        return wasSent && fault.type === 'refused' ? { type: 'unsure', message: fault.message } : fault;
      }
      wasSent ||= untaken.length < open.length;
      const [first] = untaken;
      if (first === undefined) break;
      const message = `${untaken.length} of ${open.length} messages were not taken (${first.code})`;
      if (first.isOurFault || tries === MOST_TRIES)
        return wasSent ? { type: 'unsure', message } : { type: 'refused', mayPass: !first.isOurFault, message };
      const ids = new Set(untaken.map(({ id }) => id));
      open = open.filter(({ id }) => ids.has(id));
      await sleep(PAUSE_MS * tries, undefined, { signal }).catch(() => {});
    }
  }
  return { type: 'sent' };
}

function* batchesOf(messages: readonly OutgoingMessage[], most: number): Generator<OutgoingMessage[]> {
  let batch: OutgoingMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = bytesOf(message);
    if (batch.length === most || (batch.length > 0 && bytes + size > MOST_BATCH_BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** With its attribute, and what else counts. */
export function bytesOf({ body, key, group = '' }: OutgoingMessage): number {
  return Buffer.byteLength(body) + Buffer.byteLength(key) + Buffer.byteLength(group) + LARGEST_OVERHEAD_BYTES;
}

const LARGEST_OVERHEAD_BYTES = 64;

/** Streams and buses have no attributes. */
function withKey({ body, key }: OutgoingMessage): string {
  return body === '{}'
    ? `{"longshore-key":${JSON.stringify(key)}}`
    : `${body.slice(0, -1)},"longshore-key":${JSON.stringify(key)}}`;
}

/** A reply that says no has had no effect; without a reply it is not known. */
function faultOf(error: unknown): SentMessages {
  const {
    name = 'Error',
    $metadata,
    code,
  } = error as {
    readonly name?: string;
    readonly code?: string;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const shown = /^[\w.]{1,80}$/.test(name) ? name : 'Error';
  if (status !== undefined && status >= 400 && status < 500)
    return {
      type: 'refused',
      mayPass: status === 429 || BUSY.test(shown),
      message: `it refused the messages (${shown})`,
    };
  if (code !== undefined && ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH'].includes(code))
    return { type: 'refused', mayPass: true, message: `it cannot be reached (${code})` };
  if (code === 'ADDRESS_REFUSED') return { type: 'refused', mayPass: false, message: 'its address may not be called' };
  return { type: 'unsure', message: `no reply came that counts (${shown})` };
}

interface ClientOptions {
  readonly endpoint: string;
  readonly credentials: z.output<typeof credentialsSchema>;
  readonly lookup: AddressGuard['lookup'];
}

async function openClient(place: MessagePlace, { endpoint, credentials, lookup }: ClientOptions): Promise<Client> {
  const { NodeHttpHandler } = await import('@smithy/node-http-handler');
  const agent = { keepAlive: true, lookup };
  const { sessionToken, ...keys } = credentials;
  const config = {
    region: place.region,
    endpoint,
    credentials: { ...keys, ...(sessionToken !== undefined && { sessionToken }) },
    // What is sent again is decided here.
    maxAttempts: 1,
    // Said by name: the client of streams would else open HTTP/2 connections, past the guard.
    requestHandler: new NodeHttpHandler({
      ...{ connectionTimeout: 3_000, requestTimeout: DEADLINE_MS, throwOnRequestTimeout: true },
      ...{ httpAgent: agent, httpsAgent: agent },
    }),
  };
  const isFifo = place.target.endsWith('.fifo');
  const entryOf = ({ id, key, group }: OutgoingMessage & { readonly id: string }) => ({
    Id: id,
    MessageAttributes: { 'longshore-key': { DataType: 'String', StringValue: key } },
    ...(isFifo && { MessageGroupId: group ?? key, MessageDeduplicationId: key }),
  });
  if (place.to === 'kinesis') return await openStream(place, config);
  if (place.to === 'eventbridge') return await openBus(place, config);
  if (place.to === 'sqs') {
    const { SendMessageBatchCommand, SQSClient } = await import('@aws-sdk/client-sqs');
    const client = new SQSClient({ ...config, useQueueUrlAsEndpoint: false });
    return {
      async send(batch, abortSignal) {
        const Entries = batch.map((message) => ({ ...entryOf(message), MessageBody: message.body }));
        const reply = await client.send(new SendMessageBatchCommand({ QueueUrl: place.target, Entries }), {
          abortSignal,
        });
        return untakenOf(reply.Failed);
      },
      close: () => client.destroy(),
    };
  }
  const { PublishBatchCommand, SNSClient } = await import('@aws-sdk/client-sns');
  const client = new SNSClient(config);
  return {
    async send(batch, abortSignal) {
      const PublishBatchRequestEntries = batch.map((message) => ({ ...entryOf(message), Message: message.body }));
      const command = new PublishBatchCommand({ TopicArn: place.target, PublishBatchRequestEntries });
      return untakenOf((await client.send(command, { abortSignal })).Failed);
    },
    close: () => client.destroy(),
  };
}

type ClientConfig = Pick<
  KinesisClientConfig & EventBridgeClientConfig,
  'region' | 'endpoint' | 'credentials' | 'requestHandler'
>;

async function openStream({ target }: MessagePlace, config: ClientConfig): Promise<Client> {
  const { KinesisClient, PutRecordsCommand } = await import('@aws-sdk/client-kinesis');
  const client = new KinesisClient(config);
  return {
    async send(batch, abortSignal) {
      const Records = batch.map((message) => ({
        Data: Buffer.from(withKey(message)),
        PartitionKey: message.group ?? message.key,
      }));
      const reply = await client.send(new PutRecordsCommand({ StreamARN: target, Records }), { abortSignal });
      return untakenAt(batch, reply.Records);
    },
    close: () => client.destroy(),
  };
}

async function openBus({ target }: MessagePlace, config: ClientConfig): Promise<Client> {
  const { EventBridgeClient, PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
  const client = new EventBridgeClient(config);
  return {
    async send(batch, abortSignal) {
      const Entries = batch.map((message) => ({
        ...{ EventBusName: target, Source: 'longshore', Detail: withKey(message) },
        DetailType: message.about === 'file' ? 'Longshore File' : 'Longshore Record',
      }));
      return untakenAt(batch, (await client.send(new PutEventsCommand({ Entries }), { abortSignal })).Entries);
    },
    close: () => client.destroy(),
  };
}

/** By their place in the reply. A reply that leaves some out says nothing about them. */
function untakenAt(
  batch: readonly { readonly id: string }[],
  results: readonly { readonly ErrorCode?: string | undefined }[] | undefined,
): Untaken[] {
  if (results?.length !== batch.length) throw new Error('the reply is of another number of messages');
  return batch.flatMap(({ id }, index) => {
    const code = results[index]?.ErrorCode;
    return code === undefined ? [] : [{ id, isOurFault: !BUSY.test(code), code: code.slice(0, 80) }];
  });
}

function untakenOf(
  failed:
    | readonly {
        readonly Id?: string | undefined;
        readonly SenderFault?: boolean | undefined;
        readonly Code?: string | undefined;
      }[]
    | undefined,
): Untaken[] {
  return (failed ?? []).map(({ Id = '', SenderFault = false, Code = 'unknown' }) => ({
    id: Id,
    isOurFault: SenderFault && !BUSY.test(Code),
    code: Code.slice(0, 80),
  }));
}

function endpointOfAmazon({ to, region }: MessagePlace): string {
  const service = to === 'eventbridge' ? 'events' : to;
  return `https://${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** The secret's own text is in no error. */
async function readCredentials(secrets: SecretStore, name: string): Promise<z.output<typeof credentialsSchema>> {
  const { text } = await secrets.read(name);
  const parsed = credentialsSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw unavailableSecret(`The secret ${name} is not a JSON object with accessKeyId and secretAccessKey.`);
}
