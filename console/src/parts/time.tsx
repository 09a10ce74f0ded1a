/** An instant in the zone that the reader chose: the tenant's, UTC, or this browser's. The title has all of them. */
import { createContext, useContext, useEffect, useState } from 'react';
import { usePreference } from './preference.ts';

export const ZONES = ['tenant', 'utc', 'mine'] as const;
export type Zone = (typeof ZONES)[number];

/** Time zones of tenants, by their names. */
export const TenantZones = createContext<ReadonlyMap<string, string>>(new Map());

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export function useZone() {
  return usePreference<Zone>('zone', 'utc');
}

interface TimeProps {
  readonly at: string | null | undefined;
  /** Whose zone `tenant` is. */
  readonly tenant?: string | null | undefined;
  /** How long ago, under a day. */
  readonly isRelative?: boolean;
  /** With milliseconds, for what follows closely. */
  readonly isExact?: boolean;
}

export function Time({ at, tenant, isRelative = false, isExact = false }: TimeProps) {
  const zones = useContext(TenantZones);
  const [zone] = useZone();
  const now = useNow(isRelative);
  if (at === null || at === undefined) return <span className="muted">–</span>;
  const date = new Date(at);
  const tenantZone = tenant ? zones.get(tenant) : undefined;
  const timeZone = zone === 'mine' ? undefined : zone === 'utc' ? 'UTC' : (tenantZone ?? 'UTC');
  const all = [
    ['UTC', 'UTC'],
    ...(tenantZone === undefined ? [] : [[tenant ?? '', tenantZone] as const]),
    ['here', undefined],
  ] as const;
  const title = all.map(([name, each]) => `${format(date, each, isExact, now, true)} ${name}`).join('\n');
  const ago = now - date.getTime();
  return (
    <time dateTime={at} title={title}>
      {isRelative && ago >= 0 && ago < DAY_MS ? relative(ago) : format(date, timeZone, isExact, now, false)}
    </time>
  );
}

export function format(
  date: Date,
  timeZone: string | undefined,
  isExact: boolean,
  now: number,
  isLong: boolean,
): string {
  const { day, time: clock } = formatsOf(timeZone, isExact);
  const time = clock.format(date);
  const isToday = day.format(date) === day.format(now);
  return isToday && !isLong ? time.replace(',', '.') : `${day.format(date)} ${time.replace(',', '.')}`;
}

interface Formats {
  readonly day: Intl.DateTimeFormat;
  readonly time: Intl.DateTimeFormat;
}

/** Made once each: to make one takes as long as a hundred uses, and a list has eight for every line. */
const formats = new Map<string, Formats>();

function formatsOf(timeZone: string | undefined, isExact: boolean): Formats {
  const key = `${timeZone} ${isExact}`;
  const known = formats.get(key);
  if (known !== undefined) return known;
  const options = { ...(timeZone !== undefined && { timeZone }), hourCycle: 'h23' } as const;
  const made = {
    day: new Intl.DateTimeFormat('sv-SE', { ...options, dateStyle: 'short' }),
    time: new Intl.DateTimeFormat('sv-SE', {
      ...options,
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      ...(isExact && { fractionalSecondDigits: 3 as const }),
    }),
  };
  formats.set(key, made);
  return made;
}

function relative(agoMs: number): string {
  if (agoMs < MINUTE_MS) return `${Math.floor(agoMs / 1_000)} s ago`;
  if (agoMs < 60 * MINUTE_MS) return `${Math.floor(agoMs / MINUTE_MS)} min ago`;
  return `${Math.floor(agoMs / (60 * MINUTE_MS))} h ago`;
}

function useNow(ticks: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!ticks) return;
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, [ticks]);
  return now;
}

/** `28 s`, `1 min 5 s`, `3 h 12 min`, `5 min`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return twoParts(minutes, 'min', Math.round(seconds % 60), 's');
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? twoParts(hours, 'h', minutes % 60, 'min')
    : twoParts(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function twoParts(many: number, unit: string, rest: number, ofRest: string): string {
  return rest === 0 ? `${many} ${unit}` : `${many} ${unit} ${rest} ${ofRest}`;
}

const counts = new Intl.NumberFormat('en');

export function countText(count: number): string {
  return counts.format(count);
}
