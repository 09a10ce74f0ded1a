/**
 * `npm run load -- sftp` and `s3`: a steady stream of files into one directory of one tenant, then a burst there, then a burst over many
 * directories.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Door, openS3Door, openSftpDoor, type Put } from './doors.ts';
import { BURST, describePhase, findMissedBounds, findSlowDirectory, type PhaseResult, STEADY } from './judge-load.ts';
import { measurePhase } from './measure-phase.ts';
import { type TargetOptions, withTarget } from './target.ts';

export interface LoadFilesOptions extends TargetOptions {
  readonly minutes: number;
  readonly rate: number;
  readonly burst: number;
  readonly directories: number;
  readonly size: number;
  readonly json: boolean;
}

const DOORS = { sftp: openSftpDoor, s3: openS3Door } as const;

/** @returns whether every bound was kept. */
export async function runFilesLoad(way: keyof typeof DOORS, options: LoadFilesOptions): Promise<boolean> {
  const { burst, directories, size, json } = options;
  return await withTarget(options, async (target) => {
    const door = await DOORS[way](target, randomBytes(size));
    const say = (lines: readonly string[]) => json || console.log(lines.join('\n'));
    const phases: Record<string, PhaseResult> = {};
    const missed: string[] = [];
    const measure = async (name: string, bounds: typeof STEADY, send: (prefix: string) => Promise<Put[]>) => {
      const prefix = newPrefix();
      const phase = await measurePhase(target, prefix, () => send(prefix));
      phases[name] = phase;
      missed.push(...findMissedBounds(name, phase, bounds));
      say(describePhase(name, phase));
    };
    try {
      say([`clients: ${door.clients.join(', ')}`]);
      if (options.minutes > 0) await measure('steady', STEADY, (prefix) => sendSteadily(door, prefix, options));
      if (burst > 0) {
        const names = (prefix: string, count: number) =>
          Array.from({ length: burst }, (_, index) => `${placeOf(prefix, index, count)}${randomUUID()}.csv`);
        await measure('burst', BURST, (prefix) => door.putAll(names(prefix, 1)));
        if (directories > 1) {
          const many = `burst over ${directories} directories`;
          await measure(many, BURST, (prefix) => door.putAll(names(prefix, directories)));
          missed.push(...findSlowDirectory(phases.burst as PhaseResult, phases[many] as PhaseResult));
        }
      }
    } finally {
      await door.close();
    }
    if (Object.keys(phases).length === 0) missed.push('nothing was sent: give --minutes or --burst');
    if (json) console.log(JSON.stringify({ clients: door.clients, phases, missed }));
    say(missed.length === 0 ? ['every bound was kept'] : missed.map((each) => `MISSED ${each}`));
    return missed.length === 0;
  });
}

/** Files of one run are found by what their keys begin with. */
export function newPrefix(): string {
  return `inbound/${randomUUID().slice(0, 8)}-`;
}

/** One directory is the tenant's `inbound` itself; several are below it. */
function placeOf(prefix: string, index: number, directories: number): string {
  return directories === 1 ? prefix : `${prefix}${index % directories}/`;
}

export async function sendSteadily(
  door: Door,
  prefix: string,
  { minutes, rate }: { readonly minutes: number; readonly rate: number },
): Promise<Put[]> {
  const count = Math.round(minutes * 60 * rate);
  const startedMs = performance.now();
  const puts: Promise<Put[]>[] = [];
  for (let index = 0; index < count; index += 1) {
    await sleep(Math.max(0, startedMs + (index * 1_000) / rate - performance.now()));
    puts.push(door.put(`${prefix}${randomUUID()}.csv`, index));
  }
  return (await Promise.all(puts)).flat();
}
