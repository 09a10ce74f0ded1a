import { expect, test } from 'vitest';
import type { CommandContext } from './command-context.ts';
import { findCampaignId } from './find-by-name.ts';

const ID = '0198c0de-0000-7000-8000-000000000001';
const pages = [
  { campaigns: [campaign('1', 'spring'), campaign('2', 'summer')], next_cursor: 'more' },
  { campaigns: [campaign('3', 'autumn'), campaign('4', 'summer')], next_cursor: null },
];

function campaign(id: string, name: string) {
  return { transaction_id: id, tenant: 'acme', name };
}

const get = async (_path: string, _schema: unknown, { query }: { query: { cursor?: string } }) =>
  pages[query.cursor === undefined ? 0 : 1];
const context = { api: { get } } as unknown as CommandContext;

test('a campaign is found by its id, or by its name on any page', async () => {
  expect(await findCampaignId(context, ID)).toBe(ID);
  expect(await findCampaignId(context, 'spring')).toBe('1');
  expect(await findCampaignId(context, 'autumn')).toBe('3');
});

test('a name that several campaigns have, or none, is refused, and what to give instead is in the hint', async () => {
  await expect(findCampaignId(context, 'summer')).rejects.toMatchObject({ hint: expect.stringContaining('2, 4') });
  await expect(findCampaignId(context, 'winter')).rejects.toMatchObject({ message: 'There is no campaign winter.' });
});
