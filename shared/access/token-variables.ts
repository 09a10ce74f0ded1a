/** Variables that say which tokens are believed. */
import { z } from 'zod';
import { listVariable } from '#shared/runtime/config/load-config.ts';

/** Signatures with a public half only: with HS256 in the list, whoever knows a public key could sign. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const isLoopback = (url: URL) => ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);

export const algorithmsVariable = listVariable.pipe(z.array(z.enum(ALGORITHMS)).min(1));

export const keySetUrlVariable = z
  .url()
  .transform((url) => new URL(url))
  .refine((url) => url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)), {
    error: 'must be https: anyone who can change the keys in transit can sign tokens',
  });
