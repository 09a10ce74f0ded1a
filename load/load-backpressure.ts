/**
 * `npm run load -- backpressure`: a steady stream while the queues stand still, and how long it takes to drain them afterwards.
 *
 * Of a fleet that was started here the queue server is halted, as by a network that drops everything. For others two commands say how to
 * stop and to start: of the queues, or of the services that take from them.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { openSftpDoor } from './doors.ts';
import { describePhase, findMissedBounds, findSlowDrain } from './judge-load.ts';
import { newPrefix, sendSteadily } from './load-files.ts';
import { countFiles, measurePhase } from './measure-phase.ts';
import { type LoadTarget, type TargetOptions, withTarget } from './target.ts';

export interface LoadBackpressureOptions extends TargetOptions {
  readonly minutes: number;
  readonly rate: number;
  readonly size: number;
  readonly stopCommand?: string;
  readonly startCommand?: string;
  readonly json: boolean;
}

export async function runBackpressureLoad(options: LoadBackpressureOptions): Promise<boolean> {
  return await withTarget(options, async (target) => {
    const queues = stoppable(target, options);
    const door = await openSftpDoor(target, randomBytes(options.size));
    const prefix = newPrefix();
    let stoppedSeconds = Number.NaN;
    let endedWhileStopped = Number.NaN;
    try {
      const phase = await measurePhase(target, prefix, async () => {
        await queues.stop();
        const stoppedAtMs = performance.now();
        try {
          const puts = await sendSteadily(door, prefix, options);
          endedWhileStopped = await countFiles(target, prefix, 'completed,failed,quarantined');
          return puts;
        } finally {
          await queues.start();
          stoppedSeconds = (performance.now() - stoppedAtMs) / 1_000;
        }
      });
      const drainSeconds = Math.round(Math.max(0, phase.tookSeconds - stoppedSeconds) * 10) / 10;
      const drain = { endedWhileStopped, stoppedSeconds, drainSeconds };
      const missed = [...findMissedBounds('backpressure', phase, {}), ...findSlowDrain(phase.sent, drain)];
      if (options.json) console.log(JSON.stringify({ phase, ...drain, missed }));
      else {
        const verdict = missed.length === 0 ? ['every bound was kept'] : missed.map((each) => `MISSED ${each}`);
        const drained = `drained ${drainSeconds} s after the queues were back; ${endedWhileStopped} files ended before`;
        console.log([...describePhase('backpressure', phase), drained, ...verdict].join('\n'));
      }
      return missed.length === 0;
    } finally {
      await door.close();
    }
  });
}

interface Stoppable {
  stop(): Promise<void>;
  start(): Promise<void>;
}

function stoppable({ stack }: LoadTarget, { stopCommand, startCommand }: LoadBackpressureOptions): Stoppable {
  if (stopCommand !== undefined && startCommand !== undefined)
    return { stop: () => runCommand(stopCommand), start: () => runCommand(startCommand) };
  if (stack === undefined)
    throw new Error('give --stop-command and --start-command: a fleet that was not started here is not stopped');
  return {
    stop: async () => stack.processes.queues?.kill('SIGSTOP'),
    start: async () => stack.processes.queues?.kill('SIGCONT'),
  };
}

const COMMAND_TIMEOUT_MS = 600_000;

async function runCommand(command: string): Promise<void> {
  await promisify(execFile)('sh', ['-c', command], { timeout: COMMAND_TIMEOUT_MS });
}
