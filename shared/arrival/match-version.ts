/**
 * Finds the object version that a finished transfer is about: transfer events name no version. Pure.
 *
 * Only what SFTP wrote can have been cut off. Size and ETag must fit where the event names them, and the version must be of the transfer's time. An equal version that nothing
 * was said about yet goes before one already settled, so that two events of equal contents settle two versions.
 */
import type { StoredHead } from '#shared/files/object-store.ts';
import type { TransferReport } from './arrival-report.ts';

export interface CandidateVersion {
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly at: Date;
  readonly isSettled: boolean;
  /** Absent for a version that the table has already. */
  readonly stored?: { readonly head: StoredHead; readonly contentHash?: string | undefined } | undefined;
}

/** Events and Last-Modified have whole seconds, and clocks of different services differ a little. */
export const CLOCK_SLACK_MS = 5_000;

export function matchVersion<Candidate extends CandidateVersion>(
  report: TransferReport,
  candidates: readonly Candidate[],
): Candidate | undefined {
  return candidates
    .filter((candidate) => fits(report, candidate))
    .sort((a, b) => Number(a.isSettled) - Number(b.isSettled) || distanceMs(report, a) - distanceMs(report, b))[0];
}

/** Transfer Family marks its objects (user guide, "Amazon S3 object metadata"). */
export function isWrittenBySftp({ metadata }: Pick<StoredHead, 'metadata'>): boolean {
  return metadata['user-agent']?.startsWith('AWSTransfer') === true;
}

function fits({ kind, sizeBytes, etag, startedAt, endedAt }: TransferReport, candidate: CandidateVersion): boolean {
  if (kind === 'failed' && candidate.stored !== undefined && !isWrittenBySftp(candidate.stored.head)) return false;
  if (sizeBytes !== undefined && sizeBytes !== candidate.sizeBytes) return false;
  if (etag !== undefined && etag !== candidate.etag) return false;
  // S3 gives an object written in parts the time at which its upload began.
  return (
    candidate.at.getTime() >= startedAt.getTime() - CLOCK_SLACK_MS &&
    candidate.at.getTime() <= endedAt.getTime() + CLOCK_SLACK_MS
  );
}

function distanceMs({ endedAt }: TransferReport, { at }: CandidateVersion): number {
  return Math.abs(endedAt.getTime() - at.getTime());
}
