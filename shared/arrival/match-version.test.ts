import { expect, test } from 'vitest';
import type { TransferReport } from './arrival-report.ts';
import { type CandidateVersion, matchVersion } from './match-version.ts';

const startedAt = new Date('2026-03-01T10:00:00.250Z');
const endedAt = new Date('2026-03-01T10:10:00.750Z');

function report(more: Partial<TransferReport> = {}): TransferReport {
  return { kind: 'completed', bucket: 'b', key: 'k', sizeBytes: 10, etag: '"e"', startedAt, endedAt, ...more };
}

function candidate(versionId: string, more: Partial<CandidateVersion> = {}): CandidateVersion {
  return { versionId, sizeBytes: 10, etag: '"e"', at: endedAt, isSettled: false, ...more };
}

function matched(given: TransferReport, ...candidates: CandidateVersion[]): string | undefined {
  return matchVersion(given, candidates)?.versionId;
}

test('takes the version of the size, the ETag and the time that the event names', () => {
  const others = [
    candidate('other size', { sizeBytes: 11 }),
    candidate('other bytes', { etag: '"f"' }),
    candidate('older', { at: new Date('2026-03-01T09:59:00Z') }),
    candidate('newer', { at: new Date('2026-03-01T10:11:00Z') }),
  ];
  expect(matched(report(), ...others, candidate('this'))).toBe('this');
  expect(matched(report(), ...others)).toBeUndefined();
});

test('takes a version that has the time of its upload’s beginning, or of the whole second before', () => {
  expect(matched(report(), candidate('this', { at: new Date('2026-03-01T10:00:00Z') }))).toBe('this');
});

test('goes by the time alone where the event names neither size nor ETag', () => {
  const rename = report({ sizeBytes: undefined, etag: undefined });
  expect(matched(rename, candidate('far', { at: startedAt }), candidate('near', { sizeBytes: 3, etag: '"x"' }))).toBe(
    'near',
  );
});

test('settles two versions of equal contents by two events', () => {
  expect(matched(report(), candidate('settled', { isSettled: true }), candidate('open', { at: startedAt }))).toBe(
    'open',
  );
  expect(matched(report(), candidate('settled', { isSettled: true }))).toBe('settled');
});
