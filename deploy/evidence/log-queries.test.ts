/**
 * The saved queries over lines as Transfer Family documents them, and as the function of its logins writes them. Those over the services' own
 * lines are asked of a whole fleet's logs (`test/e2e/first-start.long.test.ts`).
 */
import { expect, test } from 'vitest';
import { createLoginHandler } from '#services/sftp-logins/decide-login.ts';
import { createLogger } from '#shared/runtime/logger.ts';
import { askLogs } from '#testkit/checks/ask-logs.ts';
import { LOG_QUERIES } from './log-queries.ts';

const ask = (name: string, lines: readonly string[]) =>
  askLogs(LOG_QUERIES.find((query) => query.name === name)!.query, lines);

/** Only the first line of a session has its user and address. */
function session(id: string, user: string, start: string) {
  const at = (second: number) => new Date(Date.parse(start) + second * 1_000).toISOString();
  const of = { 'resource-arn': 'arn:aws:transfer:us-east-1:111122223333:server/s-0123456789abcdef0', 'session-id': id };
  return [
    { ...of, time: at(0), 'activity-type': 'CONNECTED', client: 'SSH-2.0-OpenSSH_9.6', 'source-ip': '192.0.2.7', user },
    { ...of, time: at(1), 'activity-type': 'OPEN', mode: 'CREATE|TRUNCATE|WRITE', path: '/landing/acme/a.csv' },
    { ...of, time: at(2), 'activity-type': 'CLOSE', path: '/landing/acme/a.csv', 'bytes-in': '121' },
    { ...of, time: at(3), 'activity-type': 'CLOSE', path: '/delivered/acme/b.csv', 'bytes-out': '2000' },
    { ...of, time: at(4), 'activity-type': 'DISCONNECTED' },
  ];
}

test('SFTP sessions: from the first line to the last, by whom, from where, and how much', async () => {
  const rows = await ask(
    'SFTP sessions',
    [
      ...session('9ca9a0e1cec6ad9d', 'acme-erp', '2026-03-04T05:00:00Z'),
      ...session('9ca9a0e1cec6ad9e', 'globex', '2026-03-04T06:00:00Z'),
      { time: '2026-03-04T07:00:00Z', 'activity-type': 'ERROR', message: 'no session' },
    ].map((line) => JSON.stringify(line)),
  );
  expect(rows).toEqual([
    {
      first: expect.stringContaining('06:00:00'),
      last: expect.stringContaining('06:00:04'),
      username: 'globex',
      sourceIp: '192.0.2.7',
      bytesIn: 121,
      bytesOut: 2_000,
      lines: '5',
      'session-id': '9ca9a0e1cec6ad9e',
    },
    expect.objectContaining({ username: 'acme-erp', 'session-id': '9ca9a0e1cec6ad9d', lines: '5' }),
  ]);
});

test('SFTP logins that were refused: who, from where, and why', async () => {
  const lines: string[] = [];
  const handle = createLoginHandler({
    findLogin: async (username) =>
      username === 'stranger'
        ? undefined
        : { tenantId: 'acme', homePrefix: 'acme/', publicKeys: ['ssh-ed25519 AAAA'], routeGlobs: [] },
    checkPassword: undefined,
    askOther: undefined,
    places: { prefix: 'fleet', role: 'arn:aws:iam::111122223333:role/session' },
    logger: createLogger({ service: 'sftp-logins', destination: { write: (line) => void lines.push(line.trim()) } }),
  });
  for (const [username, sourceIp] of [
    ['stranger', '192.0.2.1'],
    ['stranger', '192.0.2.2'],
    ['stranger', '192.0.2.1'],
    ['acme-erp', '192.0.2.3'],
  ])
    await handle({ username, sourceIp, protocol: 'SFTP', serverId: 's-0123456789abcdef0' });
  const refused = { last: expect.any(String), username: 'stranger', outcome: 'unknown or disabled' };
  expect(await ask('SFTP logins that were refused', lines)).toEqual([
    { ...refused, times: '2', sourceIp: '192.0.2.1' },
    { ...refused, times: '1', sourceIp: '192.0.2.2' },
  ]);
});

test('a field that no line has, and what the language does not know, are refused', async () => {
  const lines = [JSON.stringify({ time: '2026-03-04T05:00:00Z', msg: 'said' })];
  await expect(askLogs('filter mesage = "said"', lines)).rejects.toThrow('mesage');
  await expect(askLogs('stats median(msg) as half by msg', lines)).rejects.toThrow('median');
  await expect(askLogs('where msg = "said"', lines)).rejects.toThrow('where');
});
