/** What the operations of one logged-in connection work with. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from '#shared/runtime/logger.ts';
import type { ConnectionFlow } from './connection-flow.ts';
import type { FileTree } from './file-tree.ts';
import type { GatewayLimits } from './limits.ts';
import type { SftpMetrics } from './metrics.ts';
import type { ServerIdentity, SessionIdentity } from './transfer-event.ts';
import type { TransferJournal } from './transfer-journal.ts';
import type { UserRoot } from './user-root.ts';

export interface SessionContext {
  readonly store: S3Client;
  readonly root: UserRoot;
  readonly tree: FileTree;
  /** User metadata of what the gateway writes, as AWS Transfer Family has it. */
  readonly metadata: Record<string, string>;
  readonly partSizeBytes: number;
  readonly server: ServerIdentity;
  readonly session: SessionIdentity;
  readonly journal: TransferJournal;
  readonly metrics: SftpMetrics;
  readonly logger: Logger;
  readonly limits: GatewayLimits;
  readonly flow: ConnectionFlow;
  /** Tells that the client did something: a connection without requests is ended. */
  touch(): void;
  /** Ends the whole connection. */
  disconnect(): void;
}
