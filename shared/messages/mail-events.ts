/**
 * What Amazon SES says of a mail ("Examples of event data that Amazon SES publishes"): as EventBridge delivers it, or an SNS topic, with its
 * envelope or without. Read as far as campaigns use it: an event without their tags is somebody else's mail.
 */
import { z } from 'zod';
import { defineExternalMessage, type MessageOf } from '#shared/queue/define-message.ts';
import { parseJson } from '#shared/text/parse-json.ts';

const at = z.string().max(40).optional();
const facts = z.looseObject({ timestamp: at });

const eventSchema = z.object({
  id: z.string().max(200).optional(),
  time: z.iso.datetime({ offset: true }),
  detail: z.object({
    eventType: z.string().max(40),
    mail: z.object({
      messageId: z.string().max(200),
      destination: z.array(z.string().max(400)).max(50).default([]),
      tags: z.record(z.string(), z.array(z.string().max(300))).default({}),
    }),
    bounce: facts
      .extend({
        bounceType: z.string().max(40),
        bounceSubType: z.string().max(60).optional(),
        bouncedRecipients: z
          .array(
            z.looseObject({
              status: z.string().max(40).optional(),
              diagnosticCode: z.string().max(2_000).optional(),
            }),
          )
          .max(50)
          .default([]),
      })
      .optional(),
    complaint: facts.extend({ complaintFeedbackType: z.string().max(40).nullish() }).optional(),
    delivery: facts.optional(),
    open: facts.extend({ userAgent: z.string().max(1_000).nullish() }).optional(),
    click: facts
      .extend({ userAgent: z.string().max(1_000).nullish(), link: z.string().max(4_000).optional() })
      .optional(),
  }),
});

export const mailEvent = defineExternalMessage({
  name: 'mail event',
  accepts: (body) => body.source === 'aws.ses' || publishedBy(body) !== undefined,
  schema: z.preprocess((body) => fromTopic(body as Body) ?? body, eventSchema),
});
export type MailEvent = MessageOf<typeof mailEvent>;

type Body = Readonly<Record<string, unknown>>;

/** The event that a topic delivered; identities' own notices name their kind otherwise. */
function publishedBy(body: Body): Body | undefined {
  const event = body.Type === 'Notification' ? parseJson(String(body.Message)) : body;
  const { eventType, notificationType, mail } = (event ?? {}) as Body;
  const isEvent = typeof (eventType ?? notificationType) === 'string' && typeof mail === 'object' && mail !== null;
  return isEvent ? (event as Body) : undefined;
}

function fromTopic(body: Body): unknown {
  const detail = body.source === undefined ? publishedBy(body) : undefined;
  if (detail === undefined) return undefined;
  const { eventType, notificationType, mail, delivery } = detail;
  const { timestamp } = { ...(mail as Body), ...(delivery as Body | undefined) };
  return {
    ...(typeof body.MessageId === 'string' && { id: body.MessageId }),
    time: body.Timestamp ?? timestamp,
    detail: { ...detail, eventType: eventType ?? notificationType },
  };
}
