/** A file as routes are asked about it: of an SFTP user, without anything special. */
import type { FileToMatch } from '#shared/definitions/routes/compile-match.ts';

export function fileToMatch(path: string, sizeBytes: number, more: Partial<FileToMatch> = {}): FileToMatch {
  return {
    path,
    sizeBytes,
    source: 'sftp',
    uploadedBy: 'acme-sftp',
    arrivedAtMs: Date.parse('2026-03-04T20:00:00Z'),
    timeZone: 'UTC',
    region: 'us-east-1',
    metadata: {},
    ...more,
  };
}
