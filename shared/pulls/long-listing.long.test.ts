/** A partner's directory with more names than the memory of a worker is given for them. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startPullBed } from '#testkit/beds/pull-bed.ts';
import { startScriptedFtpsServer } from '#testkit/servers/scripted-ftps-server.ts';

test('of a directory that is longer than a worker holds every name is taken, and what was fetched is not taken again', async () => {
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
    const seen = () =>
      bed.sql`SELECT count(*)::int AS seen, count(DISTINCT remote_path)::int AS paths FROM pulls WHERE status = 'SEEN'`;
    const source = () => bed.sql`SELECT listed_files AS files, error_code AS code FROM sources`;
    expect(await seen()).toEqual([{ seen: entries, paths: entries }]);
    expect(await source()).toEqual([{ files: entries, code: null }]);
    expect(server.commands.filter((command) => command.startsWith('MLSD')).length).toBeGreaterThan(1);

    await bed.makeDue();
    await bed.settle(puller);
    expect(await seen()).toEqual([{ seen: entries, paths: entries }]);
  } finally {
    await puller.stop();
    await server.stop();
    await bed.stop();
  }
});

test('new files are left for a later listing while too many wait, and the source says so', async () => {
  const server = await startScriptedFtpsServer({
    async MLSD({ reply, data }) {
      const socket = await data();
      reply('150 here it comes');
      const line = (name: string) => `type=file;size=5;modify=20260102030405; ${name}\r\n`;
      socket.end(line('old.csv') + line('new.csv'), () => reply('226 done'));
    },
  });
  const bed = await startPullBed();
  const puller = bed.startWorker();
  const source = () => bed.sql`SELECT failures, error_code AS code, error_message AS message FROM sources`;
  const seen = async () =>
    (await bed.sql`SELECT file_name AS name FROM pulls WHERE status = 'SEEN' ORDER BY 1`).map(({ name }) => name);
  try {
    await bed.clear();
    await bed.useServer(server);
    await bed.applySource({ ready: { age: 3_600_000 } });
    await bed.sql`
      INSERT INTO pulls (tenant_id, source, project, remote, remote_path, identity_hash, status, last_listed_at)
      SELECT 'acme', 'in', 'P-1', 'partner', '/in/' || CASE n WHEN 1 THEN 'old.csv' ELSE n || '.gone' END, n, 'SEEN', now()
      FROM generate_series(1, 200000) AS n`;
    await bed.settle(puller);
    expect(await source()).toEqual([
      { failures: 0, code: 'SOURCE_BACKLOG', message: '1 further file is taken once fewer than 200000 wait.' },
    ]);
    expect(await seen()).toEqual(['old.csv']);

    await bed.makeDue();
    await bed.settle(puller);
    expect(await source()).toEqual([{ failures: 0, code: null, message: null }]);
    expect(await seen()).toEqual(['new.csv', 'old.csv']);
  } finally {
    await puller.stop();
    await server.stop();
    await bed.stop();
  }
});
