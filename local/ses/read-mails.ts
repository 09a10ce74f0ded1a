/** Mails out of requests, as SES v2 takes them: one (SendEmail), or up to 50 with inline templates (SendBulkEmail). */
import { z } from 'zod';
import { parseJson } from '#shared/text/parse-json.ts';
import type { TakenMail } from './mail-ledger.ts';
import { SesError } from './ses-error.ts';

export type AskedMail = Omit<TakenMail, 'id' | 'at'>;

/** Names of other letters are MIME encoded-words. */
const mailboxSchema = z
  .string()
  .min(3)
  .regex(/^[\x20-\x7e]+$/);
const textSchema = z.object({ Data: z.string() });
const pairSchema = z.object({ Name: z.string(), Value: z.string() });
const destinationSchema = z.object({ ToAddresses: z.array(z.string()).min(1).max(50) });

const sendSchema = z.object({
  FromEmailAddress: mailboxSchema,
  Destination: destinationSchema,
  EmailTags: z.array(pairSchema).default([]),
  ConfigurationSetName: z.string().optional(),
  Content: z.object({
    Simple: z.object({
      Subject: textSchema,
      Body: z.object({ Html: textSchema.optional(), Text: textSchema.optional() }),
      Headers: z.array(pairSchema).default([]),
    }),
  }),
});

const bulkSchema = z.object({
  FromEmailAddress: mailboxSchema,
  DefaultContent: z.object({
    Template: z.object({
      TemplateContent: z.object({ Subject: z.string(), Html: z.string().default(''), Text: z.string().default('') }),
    }),
  }),
  BulkEmailEntries: z
    .array(
      z.object({
        Destination: destinationSchema,
        ReplacementTags: z.array(pairSchema).default([]),
        ReplacementHeaders: z.array(pairSchema).default([]),
        ReplacementEmailContent: z.object({
          ReplacementTemplate: z.object({ ReplacementTemplateData: z.string().max(262_144) }),
        }),
      }),
    )
    .min(1)
    .max(50),
});

export function readMail(body: Buffer): AskedMail {
  const { FromEmailAddress: from, Destination, EmailTags, Content } = parsed(sendSchema, body);
  const { Subject, Body, Headers } = Content.Simple;
  return {
    ...{ from, to: Destination.ToAddresses[0] ?? '', subject: Subject.Data },
    ...{ html: Body.Html?.Data ?? '', text: Body.Text?.Data ?? '', headers: pairs(Headers), tags: pairs(EmailTags) },
  };
}

export function readMails(body: Buffer): AskedMail[] {
  const { FromEmailAddress: from, DefaultContent, BulkEmailEntries } = parsed(bulkSchema, body);
  const { Subject, Html, Text } = DefaultContent.Template.TemplateContent;
  return BulkEmailEntries.map(({ Destination, ReplacementTags, ReplacementHeaders, ReplacementEmailContent }) => {
    const data = parseJson(ReplacementEmailContent.ReplacementTemplate.ReplacementTemplateData);
    const values = z.record(z.string(), z.string()).catch({}).parse(data);
    // As far as Handlebars is used: `{{{name}}}`, unescaped.
    const fill = (text: string) => text.replace(/\{\{\{(\w+)\}\}\}/g, (_all, name: string) => values[name] ?? '');
    return {
      ...{ from, to: Destination.ToAddresses[0] ?? '', subject: fill(Subject), html: fill(Html), text: fill(Text) },
      ...{ headers: pairs(ReplacementHeaders), tags: pairs(ReplacementTags) },
    };
  });
}

function pairs(list: readonly z.output<typeof pairSchema>[]): Record<string, string> {
  return Object.fromEntries(list.map(({ Name, Value }) => [Name, Value]));
}

function parsed<Schema extends z.ZodType>(schema: Schema, body: Buffer): z.output<Schema> {
  const read = schema.safeParse(parseJson(body.toString('utf8')));
  if (!read.success) throw new SesError(400, 'BadRequestException', 'The request is malformed.');
  return read.data;
}
