import { expect, test } from 'vitest';
import { repeatOnLostDatabase } from './run-statements.ts';

const lost = (code: string) => Object.assign(new Error('the connection is gone'), { code });
const options = { deadlineMs: 1_000, forMs: 5_000 };

test.each(['CONNECTION_CLOSED', 'ECONNREFUSED', 'ECONNRESET', 'CONNECT_TIMEOUT', '57P01', '57P03', '08006'])(
  'a statement that met %s is sent again until the database is back',
  async (code) => {
    let tries = 0;
    const answer = await repeatOnLostDatabase(async () => {
      tries += 1;
      if (tries < 3) throw lost(code);
      return 'stored';
    }, options);
    expect([answer, tries]).toEqual(['stored', 3]);
  },
);

test.each(['23505', '22P02', '42601', '40P01'])(
  'an answer of the database such as %s is none of its business',
  async (code) => {
    let tries = 0;
    const failing = repeatOnLostDatabase(async () => {
      tries += 1;
      throw lost(code);
    }, options);
    await expect(failing).rejects.toMatchObject({ code });
    expect(tries).toBe(1);
  },
);

test('it gives up after its bound, with the last error', async () => {
  let nowMs = 0;
  const failing = repeatOnLostDatabase(
    async () => {
      nowMs += 400;
      throw lost('ECONNREFUSED');
    },
    { deadlineMs: 1_000, forMs: 1_000, now: () => nowMs },
  );
  await expect(failing).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(nowMs).toBe(1_200);
});

test('a connection lost without a word is not waited for longer than the deadline', async () => {
  const silent = repeatOnLostDatabase(() => new Promise(() => {}), { deadlineMs: 20, forMs: 0 });
  await expect(silent).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
});
