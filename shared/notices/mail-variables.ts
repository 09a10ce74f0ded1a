/** The variables of the fleet's mail server, for the processes that send mail. */
import { z } from 'zod';
import { ownSecretNameSchema } from '#shared/definitions/name-schemas.ts';
import { integerVariable } from '#shared/runtime/config/load-config.ts';
import type { MailServer } from './send-mail.ts';

export const mailVariables = {
  LONGSHORE_SMTP_HOST: z.string().max(253).optional().describe("The fleet's mail server. Without it no mail is sent."),
  LONGSHORE_SMTP_PORT: integerVariable({ min: 1, max: 65_535 }).default(587).describe('Port of the mail server.'),
  LONGSHORE_SMTP_TLS: z
    .enum(['starttls', 'implicit', 'none'])
    .default('starttls')
    .describe(
      '`starttls`, `implicit` (port 465), or `none` for a relay on the same host: unencrypted and without a password.',
    ),
  LONGSHORE_SMTP_USER: z
    .string()
    .max(254)
    .optional()
    .describe('User for the mail server. Requires the password secret.'),
  LONGSHORE_SMTP_PASSWORD_SECRET: ownSecretNameSchema
    .optional()
    .describe('Name of the password in the secret store, outside every tenant.'),
  LONGSHORE_SMTP_FROM: z
    .string()
    .regex(/^[^\r\n]{3,300}$/, 'must be a mail address')
    .optional()
    .describe('Sender, such as `Longshore <longshore@example.com>`. Required with a mail server.'),
};

const schema = z.object(mailVariables);
export type MailVariables = z.output<typeof schema>;

/** What the variables need of each other. */
export function checkMail(read: MailVariables, context: z.RefinementCtx): void {
  const { LONGSHORE_SMTP_HOST: host, LONGSHORE_SMTP_FROM: from, LONGSHORE_SMTP_TLS: tls } = read;
  const { LONGSHORE_SMTP_USER: user, LONGSHORE_SMTP_PASSWORD_SECRET: password } = read;
  const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if (host !== undefined && from === undefined) fault('LONGSHORE_SMTP_FROM', 'is needed with LONGSHORE_SMTP_HOST');
  if ((user === undefined) !== (password === undefined))
    fault('LONGSHORE_SMTP_USER', 'belongs together with LONGSHORE_SMTP_PASSWORD_SECRET');
  if (tls === 'none' && user !== undefined) fault('LONGSHORE_SMTP_TLS', 'cannot be none where a password is sent');
}

/** Undefined: no mail is sent. */
export function mailServerOf(config: MailVariables): MailServer | undefined {
  const { LONGSHORE_SMTP_HOST: host, LONGSHORE_SMTP_FROM: from } = config;
  if (host === undefined || from === undefined) return undefined;
  return {
    host,
    from,
    port: config.LONGSHORE_SMTP_PORT,
    tls: config.LONGSHORE_SMTP_TLS,
    user: config.LONGSHORE_SMTP_USER,
    passwordSecret: config.LONGSHORE_SMTP_PASSWORD_SECRET,
  };
}
