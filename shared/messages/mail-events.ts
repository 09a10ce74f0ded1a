/**
 * What Amazon SES says of a mail, as EventBridge delivers it ("Examples of event data that Amazon SES publishes"). Read as far as campaigns
 * use it: an event without their tags is somebody else's mail.
 */
import { z } from 'zod';
import { defineExternalMessage, type MessageOf } from '#shared/queue/define-message.ts';

const at = z.string().max(40).optional();
const facts = z.looseObject({ timestamp: at });

export const mailEvent = defineExternalMessage({
  name: 'mail event',
  accepts: (body) => body.source === 'aws.ses',
  schema: z.object({
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
  }),
});
export type MailEvent = MessageOf<typeof mailEvent>;
