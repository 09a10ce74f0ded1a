import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createChatRoom, KEPT_NOTICES } from './chat-room.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-chat-room-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const AT = '2026-11-30T12:00:00.000Z';
const open = () => createChatRoom(join(directory, 'chat.ndjson'), () => new Date(AT));
const message = (text: string) => JSON.stringify({ text, blocks: [{ type: 'section' }] });
async function kept(): Promise<{ text: string }[]> {
  const content = await readFile(join(directory, 'chat.ndjson'), 'utf8');
  return content
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a notice is kept with its time and channel, for its owner alone', async () => {
  expect(open().take('/chat/acme-desk', message('held'))).toEqual({ status: 200, text: 'ok' });
  expect(await kept()).toEqual([{ at: AT, channel: 'acme-desk', text: 'held', blocks: [{ type: 'section' }] }]);
  expect((await stat(join(directory, 'chat.ndjson'))).mode & 0o777).toBe(0o600);
});

test.each([
  ['no JSON', 'held'],
  ['no text', JSON.stringify({ blocks: [] })],
  ['an empty text', JSON.stringify({ text: '', blocks: [] })],
  ['no list of blocks', JSON.stringify({ text: 'held', blocks: 'held' })],
  ['more blocks than Slack takes', JSON.stringify({ text: 'held', blocks: Array(51).fill({}) })],
])('a body with %s is refused as Slack refuses it', (_, body) => {
  expect(open().take('/chat/acme-desk', body)).toEqual({ status: 400, text: 'invalid_payload' });
});

test.each(['/chat/', '/chat/a/b', '/chat/UP', '/chat/..'])('%s is not a channel', (path) => {
  expect(open().take(path, message('held'))).toBeUndefined();
});

test('the newest are kept, also over a start', async () => {
  const first = open();
  for (let n = 1; n < 2 * KEPT_NOTICES; n += 1) first.take('/chat/acme-desk', message(`notice ${n}`));
  expect(await kept()).toHaveLength(2 * KEPT_NOTICES - 1);
  open().take('/chat/acme-desk', message('the last'));
  const notices = await kept();
  expect(notices).toHaveLength(KEPT_NOTICES);
  expect(notices.at(-1)?.text).toBe('the last');
  expect(notices[0]?.text).toBe(`notice ${KEPT_NOTICES + 1}`);
});
