/** A request that the gateway refuses or cannot fulfil: an SFTP status with a sentence that begins with a stable code. */
import type { ErrorCode } from '#shared/errors.ts';

/** Status codes of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 7). */
export const SFTP_STATUS = {
  ok: 0,
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const;

export type SftpStatus = (typeof SFTP_STATUS)[keyof typeof SFTP_STATUS];

/** Thrown by the operations of a session and answered as a status; it never ends the session. */
export class SftpFault extends Error {
  readonly status: SftpStatus;
  readonly code: ErrorCode;

  constructor(status: SftpStatus, code: ErrorCode, sentence: string, options?: { cause?: unknown }) {
    super(`${code}: ${sentence}`, options);
    this.name = 'SftpFault';
    this.status = status;
    this.code = code;
  }
}

export function denied(sentence: string): SftpFault {
  return new SftpFault(SFTP_STATUS.permissionDenied, 'DENIED', sentence);
}

export function noSuchFile(): SftpFault {
  return new SftpFault(SFTP_STATUS.noSuchFile, 'FILE_NOT_FOUND', 'there is no such file or directory');
}

export function partialUpload(sentence: string): SftpFault {
  return new SftpFault(SFTP_STATUS.failure, 'PARTIAL_UPLOAD', sentence);
}

export function notResumable(): SftpFault {
  return partialUpload('uploads cannot be resumed or appended to; send the whole file again');
}

export function unsupported(sentence: string): SftpFault {
  return new SftpFault(SFTP_STATUS.unsupported, 'NOT_SUPPORTED', sentence);
}

export function conflict(sentence: string): SftpFault {
  return new SftpFault(SFTP_STATUS.failure, 'NAME_TAKEN', sentence);
}
