/** `push` to our own servers, and to OpenSSH where it is installed. Blobs are staged, which is another test. */
import { expect, test } from 'vitest';
import { pushFiles } from '#testkit/checks/push-files.ts';
import { COMMON_SERVERS } from '#testkit/servers/partner-file-servers.ts';
import { numberedPath, tempNameOf } from './push-places.ts';

pushFiles(COMMON_SERVERS.filter(({ name }) => !name.includes('blob')));

test('names are made of what they stand for, and fit', () => {
  expect(numberedPath('/in/a.tar.gz', 3)).toBe('/in/a.tar-3.gz');
  expect(numberedPath('/in/.x', 2)).toBe('/in/.x-2');
  const temp = tempNameOf(`/in/${'ä'.repeat(127)}`, 'key');
  expect(Buffer.byteLength(temp.slice(4))).toBeLessThanOrEqual(255);
  expect(tempNameOf('/in/a', 'key')).not.toBe(tempNameOf('/in/a', 'other'));
});
