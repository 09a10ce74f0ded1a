/**
 * `GET` and `POST /review`: somebody releases or rejects a held file by the link of a notice.
 *
 * 1. Opening a link changes nothing: mail scanners open links, too. The form does.
 * 2. A link is used once. What it did is in the audit as `link:<channel>:<name>`; the name is what the person wrote.
 */
import { z } from 'zod';
import { rejectHeldJobs } from '#shared/jobs/end-jobs.ts';
import { releaseJobs } from '#shared/jobs/release-jobs.ts';
import { LINK_MS, type ReviewLink, readReviewLink } from '#shared/reviews/review-links.ts';
import type { SecretStore } from '#shared/runtime/secrets/secret-store.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import type { ApiParts, ApiServer } from '../http/api-server.ts';
import { plainTextField, reasonField } from '../http/request-fields.ts';
import { useOnce } from '../http/use-once.ts';
import { type HeldFile, PAGE_HEADERS, writeReviewPage, writeWordPage } from './write-page.ts';

export interface ReviewParts extends Pick<ApiParts, 'sql' | 'senders' | 'admissionWindow'> {
  readonly secrets: SecretStore;
  /** Name in the secret store; undefined: there are no links. */
  readonly linkSecret: string | undefined;
  readonly now?: () => number;
}

const linkField = z.string().max(2_000);
const formSchema = z.object({
  link: linkField,
  verb: z.enum(['release', 'reject']),
  name: plainTextField(100),
  reason: reasonField,
});

const INVALID = 'This link is not valid, or it has expired. Use the one of a newer notice.';
const USED = 'This link was used before. Use the one of a newer notice, or ask who released or rejected the file.';
const NOT_HELD = 'The file is not held any more: somebody released or rejected it.';

interface Page {
  readonly status: number;
  readonly html: string;
}

export async function handleReviews(server: ApiServer, parts: ReviewParts): Promise<void> {
  const { sql, senders, admissionWindow, secrets, linkSecret, now = Date.now } = parts;

  async function read(link: string): Promise<ReviewLink | undefined> {
    if (linkSecret === undefined) return undefined;
    return readReviewLink(link, (await secrets.read(linkSecret)).text, now());
  }

  async function act({ verb, name, reason, link }: z.infer<typeof formSchema>, review: ReviewLink): Promise<Page> {
    if (!(await useOnce(sql, `review ${link}`, LINK_MS))) return word(409, 'Used', USED);
    const action = { jobIds: [review.jobId], actor: `link:${review.channel}:${name}`, reason };
    if (verb === 'reject') {
      const { jobIds } = await rejectHeldJobs(sql, action);
      return jobIds.length === 0 ? word(409, 'Not held', NOT_HELD) : word(200, 'Rejected', 'The file is not carried.');
    }
    const released = await releaseJobs(sql, action, admissionWindow);
    await senders.wakeJobs(released.filter(({ isWoken }) => isWoken));
    return released.length === 0 ? word(409, 'Not held', NOT_HELD) : word(200, 'Released', 'The file goes on.');
  }

  // A context of its own: forms of browsers are taken here alone.
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
        const review = await read(link);
        const file = review && (await findHeld(parts, review.jobId));
        const page =
          review === undefined
            ? word(404, 'No such link', INVALID)
            : file === undefined
              ? word(409, 'Not held', NOT_HELD)
              : { status: 200, html: writeReviewPage(file, link) };
        return await reply.code(page.status).headers(PAGE_HEADERS).type('text/html; charset=utf-8').send(page.html);
      },
    );

    app.post('/review', { schema: { hide: true }, config: { isPublic: true } }, async (request, reply) => {
      const { link: given } = z.object({ link: linkField.catch('') }).parse(request.body ?? {});
      const review = await read(given);
      const file = review && (await findHeld(parts, review.jobId));
      const form = formSchema.safeParse(request.body);
      let page: Page;
      if (review === undefined) page = word(404, 'No such link', INVALID);
      else if (form.success) page = await act(form.data, review);
      else if (file === undefined) page = word(409, 'Not held', NOT_HELD);
      else page = { status: 400, html: writeReviewPage(file, given, 'Give your name and a reason.') };
      return await reply.code(page.status).headers(PAGE_HEADERS).type('text/html; charset=utf-8').send(page.html);
    });
  });
}

function word(status: number, title: string, text: string): Page {
  return { status, html: writeWordPage(title, text) };
}

async function findHeld({ sql }: Pick<ReviewParts, 'sql'>, jobId: string): Promise<HeldFile | undefined> {
  const [file] = await sql<HeldFile[]>`
    SELECT f.name, f.tenant_id AS tenant, r.name AS route, f.size_bytes::float8 AS "sizeBytes",
      to_char(j.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"') AS "heldSince"
    FROM jobs j JOIN files f ON f.id = j.file_id JOIN routes r ON r.id = j.route_id
    WHERE j.id = ${jobId} AND j.state = 'WAITING' AND j.wait_reason = ${HELD}`;
  return file;
}
