import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Home, openHome } from '#local/home.ts';
import { claimPorts, type PortClaim } from '#local/ports.ts';
import { chooseRole, type Pair } from './choose-role.ts';

const HOST = '127.0.0.1';
let directory: string;
let home: Home;
/** Nobody listens there. */
let claim: PortClaim;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-pair-'));
  home = await openHome(join(directory, 'own'));
  claim = await claimPorts(HOST);
});
afterEach(async () => {
  home.release();
  await claim.release();
  await rm(directory, { recursive: true, force: true });
});

const choose = (place: Pair['place'], more: Partial<Pair> = {}) =>
  chooseRole(home, { place, peer: { home: join(directory, 'peer'), portBase: claim.base }, ...more }, HOST);

async function giveData(name: 'own' | 'peer', options: { isStandby?: boolean } = {}): Promise<void> {
  const postgres = join(directory, name, 'data', 'postgres');
  await mkdir(join(postgres, 'data'), { recursive: true });
  await writeFile(join(postgres, 'password'), 'secret\n');
  if (options.isStandby === true) await writeFile(join(postgres, 'data', 'standby.signal'), '');
}

test('of two homes without data the first leads, and the second waits for it', async () => {
  expect(await choose('first')).toEqual({ role: 'leads' });
  await expect(choose('second')).rejects.toMatchObject({ code: 'PAIR_UNDECIDED' });
});

test('a home that led and cannot ask the other does not start, unless its operator knows that the other is gone', async () => {
  await giveData('own');
  await giveData('peer', { isStandby: true });
  await expect(choose('first')).rejects.toMatchObject({
    code: 'PAIR_UNDECIDED',
    message: expect.stringContaining('does not answer'),
  });
  expect(await choose('first', { isPeerGone: true })).toEqual({ role: 'leads' });
});

test('a home that lost its data does not begin again while the other has data', async () => {
  await giveData('peer');
  await expect(choose('first')).rejects.toMatchObject({ code: 'PAIR_UNDECIDED' });
});

test('a standby follows until it is promoted, whatever the other says', async () => {
  await giveData('own', { isStandby: true });
  expect(await choose('second')).toEqual({ role: 'follows' });
});
