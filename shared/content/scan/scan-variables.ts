/** The variables of the scanner, for the workers. */
import { z } from 'zod';

export type ClamdAddress = { readonly host: string; readonly port: number } | { readonly path: string };

const addressSchema = z.string().transform((text, context): ClamdAddress => {
  if (text.startsWith('/')) return { path: text };
  const [, host, port] = /^(\[[0-9a-f:]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/.exec(text) ?? [];
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535)
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  context.addIssue({
    code: 'custom',
    message: 'must be host:port, or the path of a socket such as /run/clamav/clamd.ctl',
  });
  return z.NEVER;
});

export const scanVariables = {
  LONGSHORE_CLAMD: addressSchema
    .optional()
    .describe(
      'Address of clamd, `host:port` or the path of its socket, for the step `scan`. Files wait at the step without it.',
    ),
};
