/**
 * The events of AWS Transfer Family's SFTP servers, field for field as its user guide has them ("SFTP, FTPS, and FTP server
 * events"). They name the object by path and entity tag, not by version.
 */

type TransferDetailType =
  | 'SFTP Server File Upload Completed'
  | 'SFTP Server File Upload Failed'
  | 'SFTP Server File Rename Completed'
  | 'SFTP Server File Download Completed'
  | 'SFTP Server File Download Failed'
  | 'SFTP Server File Delete Completed'
  | 'SFTP Server Directory Create Completed'
  | 'SFTP Server Directory Delete Completed';

export interface TransferEvent {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': TransferDetailType;
  readonly source: 'aws.transfer';
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: Readonly<Record<string, string | number>>;
}

/** Which server speaks: fixed for a process. */
export interface ServerIdentity {
  /** Like `s-1234567890abcdef0`. */
  readonly serverId: string;
  readonly region: string;
  readonly account: string;
}

/** Who acts: fixed for a session. */
export interface SessionIdentity {
  readonly sessionId: string;
  readonly username: string;
  readonly clientIp: string;
}

export interface TransferEventContext {
  readonly server: ServerIdentity;
  readonly session: SessionIdentity;
  readonly startedAt: Date;
  readonly endedAt: Date;
}

interface Place {
  readonly bucket: string;
  readonly key: string;
}

interface Uploaded extends Place {
  readonly bytes: number;
}

export function uploadCompleted(
  context: TransferEventContext,
  { bucket, key, bytes, etag }: Uploaded & { etag: string },
): TransferEvent {
  return envelope(context, 'SFTP Server File Upload Completed', {
    'status-code': 'COMPLETED',
    ...common(context),
    bytes,
    etag,
    'file-path': `/${bucket}/${key}`,
  });
}

/** `etag` is there when what arrived was stored: a partial object. */
export function uploadFailed(
  context: TransferEventContext,
  {
    bucket,
    key,
    bytes,
    etag,
    failureCode,
  }: Uploaded & { etag?: string; failureCode: 'PARTIAL_UPLOAD' | 'UNKNOWN_ERROR' },
): TransferEvent {
  return envelope(context, 'SFTP Server File Upload Failed', {
    'failure-code': failureCode,
    'status-code': 'FAILED',
    ...common(context),
    bytes,
    'failure-message':
      failureCode === 'PARTIAL_UPLOAD' ? 'File was partially uploaded.' : 'The file could not be stored.',
    ...(etag !== undefined && { etag }),
    'file-path': `/${bucket}/${key}`,
  });
}

export function renameCompleted(
  context: TransferEventContext,
  { bucket, fromKey, toKey }: { bucket: string; fromKey: string; toKey: string },
): TransferEvent {
  return envelope(context, 'SFTP Server File Rename Completed', {
    'status-code': 'COMPLETED',
    ...common(context),
    'original-file-path': `/${bucket}/${fromKey}`,
    'renamed-file-path': `/${bucket}/${toKey}`,
  });
}

export function downloadCompleted(context: TransferEventContext, { bucket, key, bytes }: Uploaded): TransferEvent {
  return envelope(context, 'SFTP Server File Download Completed', {
    'status-code': 'COMPLETED',
    ...common(context),
    bytes,
    'file-path': `/${bucket}/${key}`,
  });
}

export function downloadFailed(context: TransferEventContext, { bucket, key }: Place): TransferEvent {
  return envelope(context, 'SFTP Server File Download Failed', {
    'failure-code': 'FILE_NOT_FOUND',
    'status-code': 'FAILED',
    ...common(context),
    bytes: 0,
    'failure-message': 'There is no such file.',
    'file-path': `/${bucket}/${key}`,
  });
}

export function fileDeleted(context: TransferEventContext, { bucket, key }: Place): TransferEvent {
  return envelope(context, 'SFTP Server File Delete Completed', {
    'status-code': 'COMPLETED',
    ...common(context),
    'file-path': `/${bucket}/${key}`,
  });
}

export function directoryChanged(
  context: TransferEventContext,
  change: 'Create' | 'Delete',
  { bucket, key }: Place,
): TransferEvent {
  return envelope(context, `SFTP Server Directory ${change} Completed`, {
    'status-code': 'COMPLETED',
    ...common(context),
    'directory-path': `/${bucket}/${key}`,
  });
}

function common({ server, session, startedAt, endedAt }: TransferEventContext): Record<string, string> {
  return {
    protocol: 'SFTP',
    'client-ip': session.clientIp,
    'start-timestamp': startedAt.toISOString(),
    'end-timestamp': endedAt.toISOString(),
    'server-id': server.serverId,
    username: session.username,
    'session-id': session.sessionId,
  };
}

function envelope(
  { server, endedAt }: TransferEventContext,
  detailType: TransferDetailType,
  detail: TransferEvent['detail'],
): TransferEvent {
  return {
    version: '0',
    id: crypto.randomUUID(),
    'detail-type': detailType,
    source: 'aws.transfer',
    account: server.account,
    // EventBridge's `time` has whole seconds.
    time: endedAt.toISOString().replace(/\.\d+Z$/, 'Z'),
    region: server.region,
    resources: [`arn:aws:transfer:${server.region}:${server.account}:server/${server.serverId}`],
    detail,
  };
}
