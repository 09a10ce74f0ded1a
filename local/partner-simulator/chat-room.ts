/**
 * Channels of a chat that take notices as Slack's incoming webhooks do, `POST /chat/<channel>`; `longshore simulate-chat notices` shows them.
 *
 * 1. What was taken is in the file before the sender hears so, and survives a kill.
 * 2. The file keeps the newest: when it has twice as many it is written again.
 */
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { makePrivate } from '#local/private-file.ts';
import { parseJson } from '#shared/text/parse-json.ts';

export const KEPT_NOTICES = 500;
const CHANNEL = /^\/chat\/([a-z0-9-]{1,63})$/;
/** As Slack demands it; it takes more kinds of blocks. */
const messageSchema = z.looseObject({
  text: z.string().min(1).max(40_000),
  blocks: z.array(z.looseObject({})).max(50),
});

export interface ChatRoom {
  /** Undefined: that path is not a channel's. */
  take(path: string, body: string): { readonly status: number; readonly text: string } | undefined;
}

export function createChatRoom(file: string, now: () => Date): ChatRoom {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  let kept = readFileSync(makePrivate(file), 'utf8').split('\n').length - 1;

  function keepTheNewest(): void {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-KEPT_NOTICES);
    writeFileSync(makePrivate(`${file}.partial`), `${lines.join('\n')}\n`);
    renameSync(`${file}.partial`, file);
    kept = lines.length;
  }

  return {
    take: (path, body) => {
      const channel = CHANNEL.exec(path)?.[1];
      if (channel === undefined) return undefined;
      const message = messageSchema.safeParse(parseJson(body));
      if (!message.success) return { status: 400, text: 'invalid_payload' };
      appendFileSync(file, `${JSON.stringify({ at: now().toISOString(), channel, ...message.data })}\n`);
      kept += 1;
      if (kept >= 2 * KEPT_NOTICES) keepTheNewest();
      return { status: 200, text: 'ok' };
    },
  };
}
