import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { parseXml } from './xml.ts';

it('lets other requests have their turn while it reads a long document', async () => {
  const part = '<Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag></Part>';
  let isOver = false;
  const reading = parseXml(`<Parts>${part.repeat(120_000)}</Parts>`, 'Parts').finally(() => {
    isOver = true;
  });
  let turns = 0;
  for (; !isOver; turns += 1) await setImmediate();
  expect((await reading).children).toHaveLength(120_000);
  expect(turns).toBeGreaterThan(5);
});

it('refuses a text that is longer than anything S3 reads', async () => {
  const text = '&quot;'.repeat(20_000);
  await expect(parseXml(`<Tagging>${text}</Tagging>`, 'Tagging')).rejects.toMatchObject({ code: 'MalformedXML' });
});
