/** What a soak came to, on one screen. */
import type { SoakReport } from './run-soak.ts';
import { type MemoryTrend, MOST_MB_PER_HOUR } from './watch-memory.ts';

export function describeSoak(report: SoakReport): string[] {
  const { sent, violations } = report;
  return [
    `Soak of ${report.minutes} minutes, seed ${report.seed}: ${report.isGood ? 'good' : 'NOT good'}`,
    `sent        ${sent.small} small files (${sent.overSftp} over SFTP), ${sent.large} large, ${sent.recordFiles} of ${sent.records} records, ` +
      `${Math.round(sent.bytes / 1e6)} MB; ${sent.sentAgain} sent again`,
    `files       ${each(report.files)}`,
    `records     ${each(report.records)}; ${report.partnerCalls} calls of the partner`,
    `faults      kill -9: ${each(report.kills)}; ${report.refusedByStore} requests refused by the store`,
    `dead letters ${report.deadLetters}`,
    `checks      ${report.checks}, ${violations.length} violations`,
    ...violations.map(({ minute, rule, rows }) => `  minute ${minute}: ${rule}: ${JSON.stringify(rows).slice(0, 400)}`),
    `memory      MB at most, MB at the end, MB an hour after warm-up (${MOST_MB_PER_HOUR} are allowed)`,
    ...Object.entries(report.memory).map(([name, trend]) => `  ${name.padEnd(18)} ${describeTrend(trend)}`),
  ];
}

function describeTrend({ peakMb, lastMb, slopeMbPerHour, isGrowing }: MemoryTrend): string {
  const slope = slopeMbPerHour === undefined ? 'too short to tell' : slopeMbPerHour.toFixed(1);
  const levels = [peakMb, lastMb].map((mb) => mb.toFixed(0).padStart(5)).join(' ');
  return `${levels}  ${slope}${isGrowing ? '  GROWING' : ''}`;
}

function each(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}
