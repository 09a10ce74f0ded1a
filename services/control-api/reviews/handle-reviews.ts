/**
 * `GET` and `POST /review`: somebody releases or rejects a held file by the link of a notice.
 *
 * 1. Opening a link changes nothing: mail scanners open links, too. The form does.
 * 2. A link is used once. What it did is in the audit as `link:<channel>:<name>`; the name is what the person wrote.
 */
import { z } from 'zod';
import type { ReviewLink } from '#shared/reviews/review-links.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import type { ApiServer } from '../http/api-server.ts';
import { plainTextField, reasonField } from '../http/request-fields.ts';
import { createReviewLinks, REVIEW_TEXTS, type ReviewParts } from './use-review-link.ts';
import { type HeldFile, PAGE_HEADERS, writeReviewPage, writeTextPage } from './write-page.ts';

const linkField = z.string().max(2_000);
const formSchema = z.object({
  link: linkField,
  verb: z.enum(['release', 'reject']),
  name: plainTextField(100),
  reason: reasonField,
});

interface Page {
  readonly status: number;
  readonly html: string;
}

export async function handleReviews(server: ApiServer, parts: ReviewParts): Promise<void> {
  const links = createReviewLinks(parts);

  async function act({ verb, name, reason, link }: z.infer<typeof formSchema>, review: ReviewLink): Promise<Page> {
    const actor = `link:${review.channel}:${name}`;
    const result = await links.use({ verb, link, review, actor, reason });
    if (result === 'used') return word(409, 'Used', REVIEW_TEXTS.used);
    if (result === 'not held') return word(409, 'Not held', REVIEW_TEXTS['not held']);
    return word(200, verb === 'release' ? 'Released' : 'Rejected', REVIEW_TEXTS[verb]);
  }

  // Its own context: forms of browsers are taken here alone.
  await server.register(async (app: ApiServer) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 16_384 },
      (_request, text, done) => done(null, Object.fromEntries(new URLSearchParams(String(text)))),
    );

    app.get(
      '/review',
      { schema: { hide: true, querystring: z.object({ link: linkField.default('') }) }, config: { isPublic: true } },
      async (request, reply) => {
        const { link } = request.query;
        const review = await links.read(link);
        const file = review && (await findHeld(parts, review.jobId));
        const page =
          review === undefined
            ? word(404, 'No such link', REVIEW_TEXTS.invalid)
            : file === undefined
              ? word(409, 'Not held', REVIEW_TEXTS['not held'])
              : { status: 200, html: writeReviewPage(file, link) };
        return await reply.code(page.status).headers(PAGE_HEADERS).type('text/html; charset=utf-8').send(page.html);
      },
    );

    app.post('/review', { schema: { hide: true }, config: { isPublic: true } }, async (request, reply) => {
      const { link: given } = z.object({ link: linkField.catch('') }).parse(request.body ?? {});
      const review = await links.read(given);
      const file = review && (await findHeld(parts, review.jobId));
      const form = formSchema.safeParse(request.body);
      let page: Page;
      if (review === undefined) page = word(404, 'No such link', REVIEW_TEXTS.invalid);
      else if (form.success && links.findFault(form.data.reason) === undefined) page = await act(form.data, review);
      else if (file === undefined) page = word(409, 'Not held', REVIEW_TEXTS['not held']);
      else {
        const fault = (form.success && links.findFault(form.data.reason)) || 'Give your name and a reason.';
        page = { status: 400, html: writeReviewPage(file, given, fault) };
      }
      return await reply.code(page.status).headers(PAGE_HEADERS).type('text/html; charset=utf-8').send(page.html);
    });
  });
}

function word(status: number, title: string, text: string): Page {
  return { status, html: writeTextPage(title, text) };
}

async function findHeld({ sql }: Pick<ReviewParts, 'sql'>, jobId: string): Promise<HeldFile | undefined> {
  const [file] = await sql<HeldFile[]>`
    SELECT f.name, f.tenant_id AS tenant, r.name AS route, f.size_bytes::float8 AS "sizeBytes",
      to_char(j.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"') AS "heldSince"
    FROM jobs j JOIN files f ON f.id = j.file_id JOIN routes r ON r.id = j.route_id
    WHERE j.id = ${jobId} AND j.state = 'WAITING' AND j.wait_reason = ${HELD}`;
  return file;
}
