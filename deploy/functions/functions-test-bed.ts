/** What AWS is to a function under test: its endpoints and CloudFormation's reply address as one server on this machine, and Lambda's call. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withCompileCache } from '#testkit/servers/start-process.ts';

/** One call of AWS's JSON protocol, e.g. `AmazonEC2ContainerServiceV20141113.RunTask`. */
export interface AwsCall {
  readonly operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of whatever shape the operation has
  readonly input: any;
}

/** `hang` never answers. */
export type AwsReply = { readonly status: number; readonly body: object } | 'hang';

export interface TestAws {
  readonly url: string;
  readonly calls: readonly AwsCall[];
  /** What was put to CloudFormation's address, and how. */
  readonly answers: readonly { readonly headers: IncomingMessage['headers']; readonly body: Record<string, unknown> }[];
  stop(): Promise<void>;
}

export async function startTestAws(
  replyTo: (call: AwsCall) => AwsReply,
  /** Statuses of CloudFormation's address, one for each try; 200 after them. */
  answerStatuses: readonly number[] = [],
): Promise<TestAws> {
  const calls: AwsCall[] = [];
  const answers: { headers: IncomingMessage['headers']; body: Record<string, unknown> }[] = [];
  const server = createServer(async (request, response) => {
    const body = JSON.parse(await text(request)) as Record<string, unknown>;
    if (request.method === 'PUT') {
      answers.push({ headers: request.headers, body });
      response.writeHead(answerStatuses[answers.length - 1] ?? 200).end();
      return;
    }
    const call = { operation: String(request.headers['x-amz-target']).split('.').at(-1) ?? '', input: body };
    calls.push(call);
    const reply = replyTo(call);
    if (reply === 'hang') return;
    response.writeHead(reply.status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(reply.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answers,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface FunctionRun {
  /** What the handler threw; null when it ended well. */
  readonly error: string | null;
  readonly output: string;
}

/** Calls the handler as Lambda does, in its own process with its own environment. */
export async function runFunction(
  name: 'import-host-key' | 'run-migration',
  { aws, event, remainingMs }: { readonly aws: TestAws; readonly event: object; readonly remainingMs: number },
): Promise<FunctionRun> {
  const index = pathToFileURL(fileURLToPath(new URL(`${name}/index.mjs`, import.meta.url))).href;
  const program = `
    const { handler } = await import(${JSON.stringify(index)});
    const endsAt = Date.now() + ${remainingMs};
    const context = { getRemainingTimeInMillis: () => endsAt - Date.now() };
    await handler(${JSON.stringify({ ...event, ResponseURL: `${aws.url}/cloudformation?signature=s` })}, context);
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    env: withCompileCache({
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_ENDPOINT_URL: aws.url,
      AWS_EC2_METADATA_DISABLED: 'true',
    }),
  });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { error: child.exitCode === 0 ? null : errors, output };
}
