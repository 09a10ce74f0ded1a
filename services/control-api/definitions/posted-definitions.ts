/**
 * Definitions in the body of a request. What takes them is registered in its own context, in which bodies stay text, so that faults
 * carry the line and column of what was sent.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '#shared/access/permissions.ts';
import type { ParsedDocument, RouteFile, RouteFileFault } from '#shared/definitions/parse-route-files.ts';
import { LongshoreError } from '#shared/errors.ts';
import type { ApiServer } from '../http/api-server.ts';
import type {} from '../http/bound-answers.ts';
import { callerOf, customerOf, spend } from '../http/request-guard.ts';
import { createDefinitionParser } from './parse-definitions.ts';
import { MOST_FAULTS } from './read-definitions.ts';

const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'];

/** Each costs a child process for a while. */
const CHECKS_PER_WINDOW = 20;
const CHECK_WINDOW_MS = 10_000;
/** Of a tenant's key, which checks a file or two and not a fleet's. */
const LARGEST_CHECK_BYTES = 262_144;

export interface PostedDefinitions {
  /** For requests whose body is definitions. @throws LongshoreError with all faults. */
  read(request: FastifyRequest, reply: FastifyReply): Promise<readonly ParsedDocument[]>;
  /** As `read`, for what is part of the request or is stored. */
  parse(
    given: string | readonly RouteFile[],
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<readonly ParsedDocument[]>;
}

export function createPostedDefinitions(server: ApiServer, deadlineMs?: number): PostedDefinitions {
  const parser = createDefinitionParser(deadlineMs === undefined ? {} : { deadlineMs });
  const checkLimit = server.createRateLimit({
    max: CHECKS_PER_WINDOW,
    timeWindow: CHECK_WINDOW_MS,
    keyGenerator: (request) => customerOf(callerOf(request)),
  });

  async function parse(
    { text, contentType }: { readonly text: string; readonly contentType: string },
    request: FastifyRequest,
    reply: FastifyReply,
  ) {
    const caller: Caller = callerOf(request);
    if (caller.tenantId !== null) await spend(checkLimit, request, reply);
    if (caller.tenantId !== null && Buffer.byteLength(text) > LARGEST_CHECK_BYTES)
      throw new LongshoreError('PAYLOAD_TOO_LARGE', 'With the key of a tenant a dry run takes 256 KiB at most.', {
        hint: 'Check the files in parts.',
      });
    const definitions = await parser.parse(
      { text, contentType },
      { customer: customerOf(caller), signal: request.ended },
    );
    if (definitions.ok) return definitions.documents;
    throw faulty(definitions.faults, definitions.faultCount);
  }

  return {
    read: (request, reply) => {
      const text = typeof request.body === 'string' ? request.body : '';
      return parse({ text, contentType: request.headers['content-type'] ?? '' }, request, reply);
    },
    parse: (given, request, reply) =>
      typeof given === 'string'
        ? parse({ text: given, contentType: 'application/yaml' }, request, reply)
        : parse({ text: JSON.stringify({ files: given }), contentType: 'application/json' }, request, reply),
  };
}

export function takeDefinitions(app: ApiServer): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser([...YAML_TYPES, 'application/json'], { parseAs: 'string' }, (_request, text, done) =>
    done(null, text),
  );
}

export function faulty(faults: readonly RouteFileFault[], count = faults.length): LongshoreError {
  const message =
    count === 1 ? 'There is 1 fault; nothing was applied.' : `There are ${count} faults; nothing was applied.`;
  return new LongshoreError('ROUTE_INVALID', message, { details: { faults: faults.slice(0, MOST_FAULTS) } });
}
