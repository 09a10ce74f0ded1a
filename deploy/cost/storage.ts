/** What is kept in S3, month after month: it grows until the first of it has reached its time. */
import { FLEET_SIZES } from '../sizes.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import type { Load } from './load.ts';
import { PRICES } from './prices.ts';

export interface CostLine {
  readonly service: string;
  readonly dollars: number;
  /** How it comes about. */
  readonly from: string;
}

const A = ASSUMPTIONS;
const GIB = 1024 ** 3;
/** Below it Intelligent-Tiering neither watches an object nor moves it. */
const SMALLEST_TIERED_BYTES = 128 * 1024;
const INFREQUENT_AFTER_DAYS = 30;
const INSTANT_AFTER_DAYS = 90;

export const line = (service: string, dollars: number, from: string): CostLine => ({ service, dollars, from });

/** At the end of the month, of objects that are kept so long. */
export function keptGib({ filesPerDay, averageBytes, month }: Load, days: number): number {
  return (filesPerDay * averageBytes * Math.min(days, month * A.daysPerMonth)) / GIB;
}

/** Of a region, with the days of the archive that the stacks set. */
export function storageLines(load: Load): CostLine[] {
  const { archiveDays } = FLEET_SIZES.prod;
  return [
    line('S3 delivered', keptGib(load, A.deliveredDays) * PRICES.s3.gibMonth, `each for ${A.deliveredDays} days`),
    line('S3 archive', archive(load, archiveDays), `each for ${archiveDays} days, Intelligent-Tiering`),
  ];
}

function archive(load: Load, days: number): number {
  const { s3 } = PRICES;
  const all = keptGib(load, days);
  if (load.averageBytes < SMALLEST_TIERED_BYTES) return all * s3.gibMonth;
  const frequent = keptGib(load, Math.min(days, INFREQUENT_AFTER_DAYS));
  const infrequent = keptGib(load, Math.min(days, INSTANT_AFTER_DAYS)) - frequent;
  const objects = (all * GIB) / load.averageBytes;
  const arriving = load.filesPerDay * A.daysPerMonth;
  return (
    frequent * s3.gibMonth +
    infrequent * s3.infrequentGibMonth +
    (all - frequent - infrequent) * s3.instantGibMonth +
    (objects / 1e3) * s3.thousandObjectsMonitored +
    (arriving / 1e3) * s3.thousandTransitions
  );
}
