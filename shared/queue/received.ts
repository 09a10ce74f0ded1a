/** A message as a handler sees it. */
export interface Received<Message> {
  readonly message: Message;
  readonly messageId: string;
  /** The body as it came. */
  readonly body: string;
  /** 1 at the first delivery. */
  readonly receiveCount: number;
  readonly sentAt: Date;
  /** FIFO queues only. */
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  /** String message attributes, e.g. trace context. */
  readonly attributes: Readonly<Record<string, string>>;
}
