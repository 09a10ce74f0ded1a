/** A partner's directory with more names than the memory of a worker is given for them. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startPullBed } from '#testkit/beds/pull-bed.ts';
import { startScriptedFtpsServer } from '#testkit/servers/scripted-ftps-server.ts';

test('of a listing that is longer than a worker holds the first names are taken, and the source says that others are not', async () => {
  const entries = 34_000;
  const server = await startScriptedFtpsServer({
    async MLSD({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      const line = (index: number) => `type=file;size=5;modify=20260102030405; ${'n'.repeat(900)}${index}\r\n`;
      for (let index = 0; index < entries; index += 1) if (!socket.write(line(index))) await once(socket, 'drain');
      socket.end(() => reply('226 done'));
    },
  });
  const bed = await startPullBed();
  const puller = bed.startWorker();
  try {
    await bed.clear();
    await bed.useServer(server);
    await bed.applySource({ ready: { age: 3_600_000 } });
    await bed.settle(puller);
    const [source] =
      await bed.sql`SELECT listed_files AS files, error_code AS code, error_message AS message FROM sources`;
    expect(source?.code).toBe('SOURCE_ENTRIES_PASSED_OVER');
    const passedOver = Number(/^(\d+) entries are passed over/.exec(source?.message)?.[1]);
    expect(source?.files + passedOver).toBe(entries);
    expect(passedOver).toBeGreaterThan(1_000);
    expect(await bed.sql`SELECT count(*)::int AS seen FROM pulls WHERE status = 'SEEN'`).toEqual([
      { seen: source?.files },
    ]);
  } finally {
    await puller.stop();
    await server.stop();
    await bed.stop();
  }
});
