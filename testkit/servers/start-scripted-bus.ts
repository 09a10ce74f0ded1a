/** A stream of Kinesis and a bus of EventBridge, as far as messages are put into them; requests that are not as the services take them are refused. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

/** `untaken`: error codes by the place of the entry in the request; `refused`: of the whole request. */
export type BusScript = (
  entries: number,
  request: number,
) => { readonly untaken?: Readonly<Record<number, string>>; readonly refused?: string };

export interface ScriptedBus {
  readonly endpoint: string;
  /** What was taken, as it came. */
  readonly taken: Record<string, unknown>[];
  answer(script: BusScript): void;
  stop(): Promise<void>;
}

const putRecordsSchema = z.strictObject({
  StreamARN: z.string().startsWith('arn:aws:kinesis:'),
  Records: z
    .array(z.strictObject({ Data: z.base64(), PartitionKey: z.string().min(1).max(256) }))
    .min(1)
    .max(500),
});
const putEventsSchema = z.strictObject({
  Entries: z
    .array(
      z.strictObject({
        EventBusName: z.string().startsWith('arn:aws:events:'),
        Source: z.string().min(1),
        DetailType: z.string().min(1).max(128),
        Detail: z.string(),
      }),
    )
    .min(1)
    .max(10),
});
const SCOPES = { 'Kinesis_20131202.PutRecords': 'kinesis', 'AWSEvents.PutEvents': 'events' } as const;

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}

export async function startScriptedBus(): Promise<ScriptedBus> {
  const taken: Record<string, unknown>[] = [];
  let script: BusScript = () => ({});
  let requests = 0;
  const server = createServer(async (request, response) => {
    const target = String(request.headers['x-amz-target']) as keyof typeof SCOPES;
    const body: unknown = JSON.parse(await bodyOf(request));
    const reply = (status: number, answer: object): void =>
      void response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer));
    const scope = SCOPES[target];
    const signed = `/us-east-1/${scope}/aws4_request`;
    if (scope === undefined || !request.headers.authorization?.includes(signed))
      return reply(400, { __type: 'UnrecognizedClientException' });
    const isStream = scope === 'kinesis';
    const parsed = isStream ? putRecordsSchema.safeParse(body) : putEventsSchema.safeParse(body);
    if (!parsed.success) return reply(400, { __type: 'ValidationException' });
    const entries: readonly Record<string, unknown>[] =
      'Records' in parsed.data
        ? parsed.data.Records.map(({ Data, PartitionKey }) => ({
            ...{ body: JSON.parse(String(Buffer.from(Data, 'base64'))), group: PartitionKey },
          }))
        : parsed.data.Entries.map(({ Detail, DetailType, Source }) => ({
            ...{ body: JSON.parse(Detail), type: DetailType, source: Source },
          }));
    const { untaken = {}, refused } = script(entries.length, requests);
    requests += 1;
    if (refused !== undefined) return reply(400, { __type: refused });
    const results = entries.map((entry, index) => {
      const code = untaken[index];
      if (code !== undefined) return { ErrorCode: code, ErrorMessage: 'not taken' };
      taken.push(entry);
      return isStream
        ? { SequenceNumber: String(taken.length), ShardId: 'shard-0' }
        : { EventId: String(taken.length) };
    });
    const failed = Object.keys(untaken).length;
    reply(
      200,
      isStream ? { FailedRecordCount: failed, Records: results } : { FailedEntryCount: failed, Entries: results },
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken,
    answer: (given) => {
      script = given;
      requests = 0;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
