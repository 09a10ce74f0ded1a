/**
 * `npm start -- --scale auto --scale partner-worker=3`: how many instances of each service run.
 *
 * A number holds; `auto` lets the scaling policy decide for every service that has a queue and no number.
 */
import { parseArgs } from 'node:util';
import { SERVICE_NAMES, type ServiceName } from '#local/launcher/processes.ts';
import { LongshoreError } from '#shared/errors.ts';
import { type ScaledService, SERVICE_OBJECTIVES } from '#shared/scaling/service-capacities.ts';

/** One service is one instance where nothing is said. */
export type Scale = Readonly<Partial<Record<ServiceName, number | 'auto'>>>;

/** Instance 8 ends the ports that belong to this stack. */
export const MOST_INSTANCES = 8;

/** The API listens on the one port that people know. */
const SCALABLE = SERVICE_NAMES.filter((name) => name !== 'control-api');
const SCALED = Object.keys(SERVICE_OBJECTIVES) as ScaledService[];

/** @throws LongshoreError `CONFIG_INVALID` or `OPTION_INVALID` */
export function parseScale(words: readonly string[]): Scale {
  const asked = readOptions(words).flatMap((option) => option.split(','));
  const isAuto = asked.includes('auto');
  const numbers = asked.filter((one) => one !== 'auto').map(parseNumber);
  return {
    ...(isAuto && Object.fromEntries(SCALED.map((name) => [name, 'auto']))),
    ...Object.fromEntries(numbers),
  };
}

function readOptions(words: readonly string[]): string[] {
  try {
    const { values } = parseArgs({ args: [...words], options: { scale: { type: 'string', multiple: true } } });
    return values.scale ?? [];
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new LongshoreError('OPTION_INVALID', `${what.replace(/\.?$/, '.')}`, { cause });
  }
}

function parseNumber(option: string): [ServiceName, number] {
  const [name, count] = option.split('=');
  const service = SCALABLE.find((one) => one === name);
  const instances = Number(count);
  if (service === undefined || !Number.isInteger(instances) || instances < 1 || instances > MOST_INSTANCES) {
    throw new LongshoreError(
      'CONFIG_INVALID',
      `--scale ${option}: give "auto", or a service and a number from 1 to ${MOST_INSTANCES}, such as partner-worker=3. Services: ${SCALABLE.join(', ')}.`,
    );
  }
  return [service, instances];
}
