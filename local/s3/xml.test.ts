import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { parseXml } from './xml.ts';

it('lets other requests have their turn while it reads a long document', async () => {
  const part = '<Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag></Part>';
  let isOver = false;
  const reading = parseXml(`<Parts>${part.repeat(30_000)}</Parts>`, 'Parts').finally(() => {
    isOver = true;
  });
  let turns = 0;
  for (; !isOver; turns += 1) await setImmediate();
  expect((await reading).children).toHaveLength(30_000);
  expect(turns).toBeGreaterThan(1);
});

it('refuses more elements than the parts of the largest upload have', async () => {
  const part = '<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>';
  await expect(parseXml(`<Parts>${part.repeat(34_000)}</Parts>`, 'Parts')).rejects.toMatchObject({
    code: 'MalformedXML',
  });
});

it('refuses a text that is longer than anything S3 reads', async () => {
  const text = '&quot;'.repeat(20_000);
  await expect(parseXml(`<Tagging>${text}</Tagging>`, 'Tagging')).rejects.toMatchObject({ code: 'MalformedXML' });
});
