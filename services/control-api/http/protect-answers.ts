/** Headers that every answer has, whatever it is and whoever refused: its type is not guessed, and a host that speaks TLS is asked by TLS alone. */
import type { FastifyInstance, FastifyRequest } from 'fastify';

export const NO_GUESSING = { 'x-content-type-options': 'nosniff' } as const;
const TLS_ALONE = { 'strict-transport-security': 'max-age=31536000' } as const;

export function protectAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(protectingHeaders(request));
  });
}

export function protectingHeaders({ protocol }: FastifyRequest): Readonly<Record<string, string>> {
  return protocol === 'https' ? { ...NO_GUESSING, ...TLS_ALONE } : NO_GUESSING;
}
