/**
 * An HTTP server that speaks SQS's JSON protocol and answers as a test's script says: for what fauxqs never does, e.g. hand out several
 * messages of one FIFO group, or list an entry under `Failed`.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { FAUXQS_CREDENTIALS, FAUXQS_REGION } from './start-fauxqs.ts';

export interface ScriptedRequest {
  /** E.g. `ReceiveMessage`. */
  readonly operation: string;
  readonly input: {
    readonly MaxNumberOfMessages?: number;
    readonly Entries?: readonly {
      readonly Id: string;
      readonly ReceiptHandle?: string;
      readonly VisibilityTimeout?: number;
      readonly MessageBody?: string;
    }[];
  };
}

export interface ScriptedAnswer {
  readonly status?: number;
  readonly body: unknown;
}

export type Script = (request: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>;

export interface ScriptedSqs {
  readonly sqs: ReturnType<typeof createSqsClient>;
  readonly requests: ScriptedRequest[];
  stop(): Promise<void>;
}

export async function startScriptedSqs(script: Script): Promise<ScriptedSqs> {
  const requests: ScriptedRequest[] = [];
  const server = createServer(async (request, response) => {
    const scripted = await readRequest(request);
    requests.push(scripted);
    const { status = 200, body } = await script(scripted);
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sqs = createSqsClient({
    region: FAUXQS_REGION,
    credentials: FAUXQS_CREDENTIALS,
    endpoint: `http://127.0.0.1:${port}`,
  });
  return {
    sqs,
    requests,
    async stop() {
      sqs.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A message as ReceiveMessage answers it. */
export function scriptedMessage(
  id: string,
  body: string,
  { groupId, receiveCount = 1 }: { groupId?: string; receiveCount?: number } = {},
) {
  return {
    MessageId: id,
    ReceiptHandle: `${id}/${receiveCount}`,
    Body: body,
    MD5OfBody: md5(body),
    Attributes: {
      ApproximateReceiveCount: String(receiveCount),
      SentTimestamp: '1700000000000',
      ...(groupId === undefined ? {} : { MessageGroupId: groupId }),
    },
  };
}

/** The answer that does every entry of a batch request, or those given. */
export function allDone(
  { input }: ScriptedRequest,
  entries: ScriptedRequest['input']['Entries'] = input.Entries,
): { body: { Successful: object[]; Failed: object[] } } {
  const Successful = (entries ?? []).map(({ Id, MessageBody }) => ({
    Id,
    // The SDK takes an answer to a send without the body's digest for a corrupted one.
    ...(MessageBody === undefined ? {} : { MessageId: `m${Id}`, MD5OfMessageBody: md5(MessageBody) }),
  }));
  return { body: { Successful, Failed: [] } };
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

async function readRequest(request: IncomingMessage): Promise<ScriptedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return {
    operation: String(request.headers['x-amz-target']).split('.').at(-1) ?? '',
    input: JSON.parse(Buffer.concat(chunks).toString()) as ScriptedRequest['input'],
  };
}
