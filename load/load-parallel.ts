/** `npm run load -- parallel`: many larger files at once, so that hundreds of jobs are open side by side. */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { openS3Door, openSftpDoor } from './doors.ts';
import { describePhase, findFewOpen, findMissedBounds } from './judge-load.ts';
import { newPrefix } from './load-files.ts';
import { countFiles, measurePhase } from './measure-phase.ts';
import { type TargetOptions, withTarget } from './target.ts';

export interface LoadParallelOptions extends TargetOptions {
  readonly files: number;
  readonly size: number;
  readonly json: boolean;
}

const LOOK_EVERY_MS = 250;

export async function runParallelLoad(options: LoadParallelOptions): Promise<boolean> {
  return await withTarget(options, async (target) => {
    const open = target.s3 === undefined ? openSftpDoor : openS3Door;
    const door = await open(target, randomBytes(options.size));
    const prefix = newPrefix();
    const paths = Array.from({ length: options.files }, () => `${prefix}${randomUUID()}.csv`);
    let mostOpen = 0;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        const count = await countFiles(target, prefix, 'uploaded,queued,processing').catch(() => 0);
        mostOpen = Math.max(mostOpen, count);
        await sleep(LOOK_EVERY_MS);
      }
    })();
    try {
      const phase = await measurePhase(target, prefix, () => door.putAll(paths));
      const missed = [...findMissedBounds('parallel', phase, {}), ...findFewOpen(mostOpen, options.files)];
      if (options.json) console.log(JSON.stringify({ clients: door.clients, phase, mostOpen, missed }));
      else {
        const lines = [`clients: ${door.clients.join(', ')}`, ...describePhase('parallel', phase)];
        const verdict = missed.length === 0 ? ['every bound was kept'] : missed.map((each) => `MISSED ${each}`);
        console.log([...lines, `most files open at once: ${mostOpen}`, ...verdict].join('\n'));
      }
      return missed.length === 0;
    } finally {
      isOver = true;
      await watching;
      await door.close();
    }
  });
}
