/**
 * API Gateway on one machine: asks the authorizer function about each request, and passes on what it allows.
 *
 * 1. Nothing reaches the backend before the policy said Allow for that very method and path, but for methods that have no authorizer.
 * 2. A path that could be read in two ways is refused, so that what was authorized is what is called.
 * 3. An authorizer that throws, is late or answers nonsense lets nobody in.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Logger } from '#shared/runtime/logger.ts';
import { within } from '#shared/runtime/within.ts';
import { type AuthorizerAnswer, authorizerAnswerSchema, evaluatePolicy } from './evaluate-policy.ts';
import { forwardCall, openBackend } from './forward-call.ts';
import { type GatewayAnswer, giveAnswer } from './gateway-answer.ts';

export interface GatewayOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly backend: URL;
  /** The Lambda function: its answer is checked as API Gateway would. */
  readonly authorize: (event: unknown) => Promise<unknown>;
  /** Methods that have no authorizer, e.g. `POST /oauth/token`: their requests are passed on as they are. */
  readonly open?: readonly string[];
  readonly logger: Logger;
  /** For the backend; API Gateway's is 29 s. */
  readonly deadlineMs?: number;
  readonly authorizerDeadlineMs?: number;
  /** API Gateway's is 10 MB. */
  readonly largestBodyBytes?: number;
}

export interface Gateway {
  readonly url: string;
  stop(): Promise<void>;
}

const STAGE_ARN = 'arn:aws:execute-api:us-east-1:000000000000:local/main';
const DEFAULT_DEADLINE_MS = 29_000;
const DEFAULT_AUTHORIZER_DEADLINE_MS = 10_000;
const DEFAULT_BODY_BYTES = 10_485_760;

const PLAIN_PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/;

/** `context` of the authorizer; undefined where there is none. */
type Verdict = { readonly context: AuthorizerAnswer['context'] | undefined } | { readonly refusal: GatewayAnswer };

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { logger, deadlineMs = DEFAULT_DEADLINE_MS } = options;
  const backend = openBackend(options.backend);
  const open = new Set(options.open);

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    outgoing.setHeader('x-amzn-requestid', requestId);
    const path = (incoming.url ?? '').split('?', 1)[0] ?? '';
    if (path === '/_health') {
      outgoing.end('ok');
      return;
    }
    const verdict = PLAIN_PATH.test(path) ? await judge(incoming, path) : { refusal: 'bad-request' as const };
    const status = 'refusal' in verdict ? verdict.refusal : 'allowed';
    logger.info({ requestId, method: incoming.method, path: path.slice(0, 200), verdict: status }, 'request');
    if (outgoing.closed) return;
    if ('refusal' in verdict) return giveAnswer(outgoing, verdict.refusal);
    const { context } = verdict;
    const largestBodyBytes = options.largestBodyBytes ?? DEFAULT_BODY_BYTES;
    forwardCall({ incoming, outgoing, backend, requestId, context, deadlineMs, largestBodyBytes });
  }

  async function judge(incoming: IncomingMessage, path: string): Promise<Verdict> {
    if (open.has(`${incoming.method} ${path}`)) return { context: undefined };
    const methodArn = `${STAGE_ARN}/${incoming.method}${path}`;
    const tokens = incoming.headersDistinct.authorization ?? [];
    // API Gateway does not ask the function when the header is missing.
    if (tokens.length !== 1 || tokens[0] === '') return { refusal: 'unauthorized' };
    try {
      const event = { type: 'TOKEN', authorizationToken: tokens[0], methodArn };
      const given = await within(
        options.authorize(event),
        options.authorizerDeadlineMs ?? DEFAULT_AUTHORIZER_DEADLINE_MS,
        notInTime,
      );
      const parsed = authorizerAnswerSchema.safeParse(given);
      if (!parsed.success) return { refusal: 'authorizer-failed' };
      const decision = evaluatePolicy(parsed.data, methodArn);
      return decision === 'allowed' ? { context: parsed.data.context } : { refusal: decision };
    } catch (error) {
      const isUnauthorized = error instanceof Error && error.message === 'Unauthorized';
      return { refusal: isUnauthorized ? 'unauthorized' : 'authorizer-failed' };
    }
  }

  const server = createServer((incoming, outgoing) => {
    incoming.on('error', () => outgoing.destroy());
    answer(incoming, outgoing).catch((error: unknown) => {
      logger.error({ err: error }, 'request failed');
      outgoing.destroy();
    });
  });
  // Longer than clients keep idle connections, so that none is closed while a request is on its way.
  server.keepAliveTimeout = 65_000;
  server.listen({ host: options.host, port: options.port });
  await once(server, 'listening');
  return {
    url: `http://${isIPv6(options.host) ? `[${options.host}]` : options.host}:${(server.address() as AddressInfo).port}`,
    async stop() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      backend.close();
    },
  };
}

function notInTime(): never {
  throw new Error('The authorizer did not answer in time.');
}
