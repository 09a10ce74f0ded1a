/** An answer that takes longer than Slack waits is sent to the address that came with the question (`response_url`, valid for 30 minutes). */
import type { Logger } from '#shared/runtime/logger.ts';

/** Of Slack, and of its cloud for governments. The address is signed with the rest; even so it leads nowhere else. */
const SLACK_ORIGINS: readonly string[] = ['https://hooks.slack.com', 'https://hooks.slack-gov.com'];
/** A question that takes longer has no answer. */
const LATEST_MS = 60_000;
const POST_MS = 5_000;
/** Side by side; beyond it the asker is told to ask again. */
const MOST_WAITING = 100;

export interface LaterAnswers {
  /** Whether the answer will be sent. */
  take(url: string | undefined, answer: Promise<object>): boolean;
  stop(): Promise<void>;
}

export function createLaterAnswers(logger: Logger, origins: readonly string[] = SLACK_ORIGINS): LaterAnswers {
  const waiting = new Set<Promise<void>>();
  const stopping = new AbortController();

  async function send(url: string, answer: Promise<object>): Promise<void> {
    try {
      const late = AbortSignal.any([stopping.signal, AbortSignal.timeout(LATEST_MS)]);
      const body = JSON.stringify(await Promise.race([answer, rejectedBy(late)]));
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        body,
        redirect: 'error',
        signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(POST_MS)]),
      });
      await response.body?.cancel();
      if (!response.ok) logger.warn({ status: response.status }, 'late answer to Slack refused');
    } catch (err) {
      logger.warn({ err }, 'late answer to Slack not sent');
    }
  }

  return {
    take(url, answer) {
      if (url === undefined || waiting.size >= MOST_WAITING || !isOf(url, origins)) return false;
      const sent = send(url, answer).finally(() => waiting.delete(sent));
      waiting.add(sent);
      return true;
    },
    async stop() {
      stopping.abort();
      await Promise.all(waiting);
    },
  };
}

function isOf(url: string, origins: readonly string[]): boolean {
  return URL.canParse(url) && origins.includes(new URL(url).origin);
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
