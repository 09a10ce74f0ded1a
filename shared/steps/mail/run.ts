/**
 * `mail`: one message for all recipients.
 *
 * 1. The Message-ID is made of the step's key: a message that is sent again is known by it.
 * 2. A mail server cannot be asked. A reply that was lost after the content had begun is ambiguous, unless `repeat` says otherwise.
 */
import { createHash } from 'node:crypto';
import { compileNameTemplate, type TemplateFacts } from '#shared/definitions/name-template.ts';
import { type Committed, type EffectTarget, type NotDone, runEffect } from '#shared/effects/run-effect.ts';
import type { MailOutcome } from '#shared/notices/send-mail.ts';
import type { FileContent } from '#shared/partners/request-content.ts';
import { SecretError } from '#shared/runtime/secrets/secret-store.ts';
import type { SendMail } from '#shared/targets/step-targets.ts';
import { readContent } from '../read-content.ts';
import type { StepContext, StepKind } from '../step-context.ts';
import { failed, retry, withStoreFailures } from '../step-failure.ts';
import { factsOfFile } from '../step-keys.ts';
import type { StepOutcome } from '../step-outcome.ts';
import { type MailOptions, mailOptions } from './options.ts';

/** Many servers refuse more than 25 MB, and base64 makes a third more of it. */
export const LARGEST_ATTACHED_BYTES = 10 * 1024 ** 2;
/** Of a mail with such an attachment over a slow line. */
const DEADLINE_MS = 120_000;
const LONGEST_SUBJECT = 200;

export const mailStep: StepKind<MailOptions> = {
  kind: mailOptions.kind,
  classOf: mailOptions.classOf,
  run: (context) =>
    withStoreFailures('DELIVERY_ERROR', async () => {
      const send = context.targets?.sendMail;
      if (send === undefined) {
        const message = 'The fleet has no mail server; set LONGSHORE_SMTP_HOST and LONGSHORE_SMTP_FROM.';
        return retry('DELIVERY_ERROR', 'MAIL_UNAVAILABLE', message);
      }
      const { sizeBytes } = context.object;
      if (context.options.attach && sizeBytes > LARGEST_ATTACHED_BYTES) {
        const message = `The file has ${sizeBytes} bytes, and a mail takes ${LARGEST_ATTACHED_BYTES}; say attach: false, or deliver it otherwise.`;
        return failed('DELIVERY_ERROR', 'CONTENT_TOO_LARGE', message);
      }
      return await mail(context, send);
    }),
};

interface MailFacts extends Readonly<Record<string, unknown>> {
  readonly to: readonly string[];
  readonly subject: string;
  readonly messageId: string;
  /** Recipients that the server did not accept. */
  readonly rejected?: number;
}

async function mail(context: StepContext<MailOptions>, send: SendMail): Promise<StepOutcome> {
  const end = await runEffect({ log: context.effects, code: 'DELIVERY_ERROR', target: mailTarget(context, send) });
  if (end.type === 'ended') return end.outcome;
  return { type: 'succeeded', output: { ...end.facts, wasThere: end.wasThere } };
}

function mailTarget(context: StepContext<MailOptions>, send: SendMail): EffectTarget<MailFacts> {
  const { options, idempotencyKey, signal } = context;
  const facts = factsOfFile(context);
  let attachment: FileContent | undefined;
  return {
    async prepare() {
      attachment = options.attach ? await readContent(context) : undefined;
      const messageId = `${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 40)}@longshore.invalid`;
      const subject = oneLine(rendered(options.subject, facts));
      return { type: 'prepared', facts: { to: options.to, subject, messageId } };
    },
    async commit(prepared) {
      const { to, subject, messageId } = prepared;
      const text = rendered(options.text, facts);
      try {
        const message = { to, subject, text, messageId, ...(attachment !== undefined && { attachment }) };
        return committed(await send(message, { deadlineMs: DEADLINE_MS, signal }), prepared);
      } catch (error) {
        if (!(error instanceof SecretError)) throw error;
        return { type: 'not-done', outcome: notDone('retry', 'SECRET_UNAVAILABLE', error.message) };
      }
    },
    async ask() {
      if (options.repeat) return { type: 'not-done' };
      return { type: 'unknown', message: 'A mail server cannot be asked; ask a recipient whether the mail is there.' };
    },
  };
}

/** The login was refused: a matter of the operator, which passes when it is mended. */
const LOGIN_REFUSED = [530, 534, 535, 538];

function committed(outcome: MailOutcome, facts: MailFacts): Committed<MailFacts> {
  switch (outcome.type) {
    case 'sent':
      return { type: 'done', facts: { ...facts, rejected: outcome.rejected } };
    case 'refused': {
      const isFinal = outcome.status >= 500 && !LOGIN_REFUSED.includes(outcome.status);
      const message = `The mail server refused the mail with ${outcome.status}.`;
      return { type: 'not-done', outcome: notDone(isFinal ? 'failed' : 'retry', 'MAIL_REFUSED', message) };
    }
    case 'unreachable': {
      const message = `The mail server: ${outcome.reason}.`;
      if (outcome.mayHaveArrived === true) return { type: 'unsure', cause: 'MAIL_UNAVAILABLE', message };
      return { type: 'not-done', outcome: notDone('retry', 'MAIL_UNAVAILABLE', message) };
    }
  }
}

function notDone(
  type: 'retry' | 'failed',
  cause: 'MAIL_REFUSED' | 'MAIL_UNAVAILABLE' | 'SECRET_UNAVAILABLE',
  message: string,
): NotDone {
  return { type, code: 'DELIVERY_ERROR', cause, message };
}

function rendered(template: string, facts: TemplateFacts): string {
  const compiled = compileNameTemplate(template);
  return compiled.ok ? compiled.render(facts) : facts.name;
}

/** Names come from senders: nothing of them ends a header. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, LONGEST_SUBJECT);
}
