/** What the API sends: wake-ups of jobs that a person set going again, and dead letters back to their queues as they were. */

import { createSendLetters, type ReturnedLetter } from '#shared/dead-letters/return-letters.ts';
import type { RequeuedFile } from '#shared/jobs/requeue-files.ts';
import type { WokenJob } from '#shared/jobs/route-files.ts';
import { createWakeUpSenders as createRowSenders } from '#shared/jobs/wake-up-senders.ts';
import type { WokenPull } from '#shared/pulls/wake-pulls.ts';
import type { QueueUrl } from '#shared/queue/queue-urls.ts';
import type { SendResult } from '#shared/queue/send-messages.ts';
import type { SQSClient } from '#shared/queue/sqs-client.ts';
import type { QueueId } from '#shared/runtime/config/resource-names.ts';
import type { Logger } from '#shared/runtime/logger.ts';

export interface WakeUpSenders {
  /** Never rejects: a wake-up that is not sent costs time, until the sweeper sends it. */
  wakeJobs(jobs: readonly WokenJob[]): Promise<void>;
  wakePulls(pulls: readonly WokenPull[]): Promise<void>;
  wakeFiles(files: readonly Pick<RequeuedFile, 'id' | 'wake'>[]): Promise<void>;
  /** The result says whether the queue took it; never rejects. */
  sendAgain(letter: ReturnedLetter): Promise<SendResult>;
}

export function createWakeUpSenders(options: {
  readonly client: SQSClient;
  readonly queueUrls: Readonly<Record<QueueId, QueueUrl>>;
  readonly fairQueues: boolean;
  readonly logger: Logger;
}): WakeUpSenders {
  const rows = createRowSenders(options);
  const sendLetters = createSendLetters(options);

  return {
    wakeJobs: async (jobs) => void (await rows.sendJobs(jobs)),
    wakeFiles: async (files) => void (await rows.sendFiles(files)),
    wakePulls: async (pulls) => void (await rows.sendPulls(pulls)),
    async sendAgain(letter) {
      const [result] = await sendLetters([letter]);
      return result ?? { ok: false, retryable: false, reason: 'it was not sent' };
    },
  };
}
