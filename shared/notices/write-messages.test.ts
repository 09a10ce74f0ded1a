import { describe, expect, test } from 'vitest';
import { channelSchema, notifySchema } from '#shared/definitions/notify-schema.ts';
import type { StoredNotice } from './describe-notice.ts';
import { plainText } from './plain-text.ts';
import {
  linesOf,
  type NoticeDelivery,
  writeMail,
  writeSlackBody,
  writeTeamsBody,
  writeWebhookBody,
} from './write-messages.ts';

const EVIL =
  '<!channel> @here <@U0123> <https://evil.example|invoice> [pay](https://evil.example) <at>boss</at> *x* www.evil.example\r\nBcc: all@evil.example\u202egpj.exe\u0000.csv';

function stored(name: string, overrides: Partial<StoredNotice> = {}): StoredNotice {
  return {
    notice: 'failed',
    event: {
      id: 'e1',
      type: 'file.failed',
      time: '2026-01-02T03:04:05Z',
      actor: 'partner-worker',
      data: { code: 'VALIDATION_ERROR', cause: 'CSV_NUL', message: `Look at ${name}.` },
    },
    file: { id: 'f1', name, key: `acme/${name}`, sizeBytes: 1_234_567_890 },
    jobs: [{ id: 'j1', route: 'orders', state: 'FAILED' }],
    ...overrides,
  };
}

const delivery = (...notices: StoredNotice[]): NoticeDelivery => ({
  id: 'e1',
  tenantId: 'acme',
  route: '',
  channel: 'desk',
  notices,
});

test('a batch that failed names its files that are missing, and where to look', () => {
  const missing = Array.from({ length: 12 }, (_, index) => `day/${index}.csv`);
  const data = { batch: 'b1', route: 'statements', key: 'day', files: 3, succeeded: 2, failed: 1, missing };
  const event = { id: 'e1', type: 'batch.failed', time: '2026-01-02T03:04:05Z', actor: 'retry-sweeper', data };
  const [line] = linesOf(delivery({ notice: 'batch-failed', event, file: null, jobs: [] }));
  expect(line).toBe(
    `The batch of statements in day ended: 3 files, 1 failed; missing: ${missing.slice(0, 10).join(', ')} and 2 more. See: longshore batches show b1`,
  );
});

interface TextBlock {
  readonly text: { readonly type: string; readonly text: string };
}

describe('the name of a file', () => {
  test('is no mention, no link and no line end in Slack', () => {
    const body = JSON.parse(writeSlackBody(delivery(stored(EVIL))));
    const blocks = body.blocks as TextBlock[];
    expect(blocks.every(({ text }) => text.type === 'plain_text')).toBe(true);
    const texts = [body.text, ...blocks.map(({ text }) => text.text)].join('\n\n');
    expect(texts).toContain('&lt;!channel&gt;');
    expect(texts).not.toMatch(/[<>]/);
    expect(texts).not.toMatch(/@(?!\u200b)/);
    expect(texts).not.toMatch(/:\/\/|www\./);
    expect(blocks[1]?.text.text).not.toMatch(/[\r\n\u202e]/);
    expect(body).toMatchObject({ mrkdwn: false, link_names: false, unfurl_links: false });
  });

  test('is no mention, no link and no mark-up in Teams', () => {
    const body = JSON.parse(writeTeamsBody(delivery(stored(EVIL))));
    const [attachment] = body.attachments;
    const runs = attachment.content.body.flatMap(
      ({ type, inlines }: { type: string; inlines: { type: string; text: string }[] }) =>
        inlines.map((inline) => ({ ...inline, block: type })),
    );
    expect(
      runs.every((run: { type: string; block: string }) => run.type === 'TextRun' && run.block === 'RichTextBlock'),
    ).toBe(true);
    const texts = runs.map(({ text }: { text: string }) => text).join('\n\n');
    expect(texts).not.toMatch(/[<>\r\u202e]|:\/\/|www\./);
    expect(attachment.content.msteams).toBeUndefined();
  });

  test('makes no header of a mail, and no second line', () => {
    const { subject, text } = writeMail(delivery(stored(EVIL)));
    expect(subject).not.toMatch(/[\r\n]/);
    expect(subject.length).toBeLessThanOrEqual(150);
    expect(text.trimEnd().split('\n')).toHaveLength(1);
    expect(text).toContain('\\u{d}\\u{a}Bcc');
  });

  test('comes to programs as it is', () => {
    expect(JSON.parse(writeWebhookBody(delivery(stored(EVIL)))).notices[0].file.name).toBe(EVIL);
  });

  test('that is endless is cut, and never in the middle of a character', () => {
    expect(plainText(`${'x'.repeat(9)}😀`, 10)).toBe(`${'x'.repeat(9)}\ufffd…`);
  });
});

describe('a line says what happened and what to do', () => {
  test.each([
    ['large-file', {}, 'a.csv (1.23 GB) is large; it was taken by orders.'],
    ['held', { jobId: 'j1' }, 'a.csv (1.23 GB) waits for a person: longshore release j1 --reason "...", or reject.'],
    [
      'released',
      { actor: 'operator:desk', data: { reason: 'seen' } },
      'a.csv continues: operator:desk released it: seen',
    ],
    ['failed', {}, 'a.csv failed: VALIDATION_ERROR CSV_NUL. Look at a.csv.'],
    [
      'failed',
      { type: 'file.quarantined', data: { code: 'NO_ROUTE', cause: 'PATH_MISMATCH', message: 'None.' } },
      'a.csv was set aside: NO_ROUTE PATH_MISMATCH. None.',
    ],
    ['completed', {}, 'a.csv (1.23 GB) was processed by orders.'],
    [
      'records-done',
      { data: { records: { byState: { SUCCESS: 998, FAILED: 2 }, byCode: { 'VALIDATION_ERROR HTTP_503': 2 } } } },
      'The records of a.csv ended: 998 SUCCESS, 2 FAILED (VALIDATION_ERROR HTTP_503 2).',
    ],
  ])('%s', (notice, event, line) => {
    const base = stored('a.csv');
    expect(linesOf(delivery({ ...base, notice, event: { ...base.event, ...event } }))).toEqual([line]);
  });

  test.each([
    ['held', { jobId: 'j1' }, 'a.csv waits until a person has looked at it.'],
    ['released', { actor: 'operator:desk', data: { reason: 'seen' } }, 'a.csv was looked at, and continues.'],
    [
      'failed',
      { data: { code: 'VALIDATION_ERROR', cause: 'CSV_COLUMN_COUNT', message: 'Line 3 has 4 columns and not 5.' } },
      'a.csv was not accepted: Line 3 has 4 columns and not 5. Correct that line and send the file again.',
    ],
    [
      'failed',
      {
        data: { code: 'DELIVERY_ERROR', cause: 'REMOTE_AUTH_FAILED', message: 'sftp.bank.example refuses longshore.' },
      },
      'a.csv: Nothing for you to do: the fault is not in your file. The operator continues with it; do not send it again.',
    ],
    ['completed', {}, 'a.csv was delivered.'],
    [
      'records-done',
      { data: { records: { byState: { SUCCESS: 998, FAILED: 2 }, byCode: { 'VALIDATION_ERROR HTTP_503': 2 } } } },
      'The rows of a.csv were processed: 998 done, 2 failed.',
    ],
    [
      'batch-failed',
      { data: { batch: 'b1', route: 'day', files: 3, failed: 1, missing: [] } },
      'The batch of day ended: 3 files, 1 failed.',
    ],
    [
      'campaign-held',
      { data: { campaignId: 'c1', name: 'spring', reason: 'too many bounces' } },
      'The campaign spring is held: too many bounces.',
    ],
  ])('to a sender without codes, servers and commands: %s', (notice, event, line) => {
    const base = stored('a.csv');
    const sent = delivery({ ...base, notice, event: { ...base.event, ...event } });
    expect(linesOf({ ...sent, reader: 'sender' })).toEqual([line]);
  });

  test('a digest has a line for each, up to twenty, and the number of the others', () => {
    const lines = linesOf(delivery(...Array.from({ length: 33 }, (_, index) => stored(`${index}.csv`))));
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe('and 13 more');
    expect(JSON.parse(writeSlackBody(delivery(stored('a'), stored('b')))).text).toBe('acme: 2 notices');
  });
});

describe('a channel', () => {
  const channel = { name: 'desk', on: ['failed'] };

  test.each([
    ['of no kind', channel],
    ['of two kinds', { ...channel, slack: { urlSecret: 'a' }, teams: { urlSecret: 'a' } }],
    ['with a URL written out', { ...channel, slack: { urlSecret: 'https://hooks.slack.example/x' } }],
    ['that is told of nothing', { ...channel, on: [], sns: null }],
    ['that is told of what there is not', { ...channel, on: ['everything'], sns: null }],
    ['with a mail address of two lines', { ...channel, email: { to: ['a@b.example\r\nBcc: c@d.example'] } }],
    ['without a key to sign with', { ...channel, webhook: { urlSecret: 'a' } }],
    ['with a digest of no time', { ...channel, sns: null, digest: '0s' }],
  ])('%s is refused', (_what, definition) => {
    expect(channelSchema.safeParse(definition).success).toBe(false);
  });

  test('parses to itself, `sns:` without options too', () => {
    const parsed = channelSchema.parse({ ...channel, sns: null, digest: '10m' });
    expect(parsed).toEqual({ ...channel, sns: {}, digest: 600_000 });
    expect(channelSchema.parse(parsed)).toEqual(parsed);
  });

  test('has its name to itself', () => {
    const slack = { ...channel, slack: { urlSecret: 'a' } };
    expect(notifySchema.safeParse([slack, slack]).success).toBe(false);
  });
});

describe('a held file that the channel may release', () => {
  const reviewUrl = 'https://longshore.example/review?link=abc.def';
  const held = (count: number) =>
    delivery(
      ...Array.from({ length: count }, (_, index) =>
        stored(`f${index}.csv`, {
          notice: 'held',
          reviewUrl,
          event: { ...stored('x').event, type: 'job.held', jobId: 'j' },
        }),
      ),
    );

  test('has a button in Slack and in Teams, and its address in a mail and for programs', () => {
    const slack = JSON.parse(writeSlackBody(held(1)));
    expect(slack.blocks.at(-1)).toMatchObject({
      type: 'actions',
      elements: [{ type: 'button', text: { type: 'plain_text', text: 'Release or reject f0.csv' }, url: reviewUrl }],
    });
    const teams = JSON.parse(writeTeamsBody(held(1))).attachments[0].content;
    expect(teams.actions).toEqual([{ type: 'Action.OpenUrl', title: 'Release or reject f0.csv', url: reviewUrl }]);
    expect(writeMail(held(1)).text).toContain(`Release or reject it: ${reviewUrl}\n`);
    expect(JSON.parse(writeWebhookBody(held(1))).notices[0].reviewUrl).toBe(reviewUrl);
  });

  test('has Release and Reject in Slack, if the app asks for the reason, with the link as their value', () => {
    const { blocks } = JSON.parse(writeSlackBody(held(1), { hasButtons: true }));
    expect(blocks.at(-1)).toMatchObject({
      type: 'actions',
      elements: [
        { action_id: 'longshore-release', text: { text: 'Release f0.csv' }, value: 'abc.def' },
        { action_id: 'longshore-reject', text: { text: 'Reject f0.csv' }, value: 'abc.def' },
      ],
    });
    expect(JSON.stringify(blocks)).not.toContain('"url"');
  });

  test('keeps to what Slack and Teams take', () => {
    const slack = JSON.parse(writeSlackBody(held(100)));
    expect(slack.blocks.length).toBeLessThanOrEqual(50);
    const long = delivery(stored('n'.repeat(300), { notice: 'held', reviewUrl }));
    expect(JSON.parse(writeSlackBody(long)).blocks.at(-1).elements[0].text.text.length).toBeLessThanOrEqual(75);
    expect(JSON.parse(writeTeamsBody(held(100))).attachments[0].content.actions).toHaveLength(6);
  });
});
