/**
 * Files of the examples that cannot be in a repository: the test file that virus scanners find, and a file that is encrypted to a key of
 * this home alone.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { loadOpenpgp } from '#shared/content/pgp/pgp-keys.ts';
import { sealPgpMessage } from '#shared/content/pgp/seal-message.ts';
import { EICAR } from '#shared/content/scan/eicar.ts';

/** Whose route decrypts. */
export const CONTENT_TENANT = 'acme';

const PRICES = 'sku,description,price\nA-100,Anchor chain 10 m,129.90\nB-220,Mooring line 20 m,48.50\n';

/** The directory to be sent as the tenant's; made once, with the keys that its route names. */
export async function makeContentExamples(home: string): Promise<string> {
  const directory = join(home, 'data', 'example-files');
  const sealed = join(directory, 'inbound/sealed/price-list.csv.pgp');
  if (existsSync(sealed)) return directory;
  const { generateKey, readKey, readPrivateKey } = await loadOpenpgp();
  const ours = await generateKey({ userIDs: [{ name: 'Longshore' }] });
  const partner = await generateKey({ userIDs: [{ name: 'A supplier of Acme' }] });
  const secrets = join(join(home, 'keys', 'secrets'), CONTENT_TENANT);
  await write(join(secrets, 'our-pgp'), ours.privateKey);
  await write(join(secrets, 'supplier-pgp'), partner.publicKey);
  await write(join(directory, 'inbound/attachments/eicar-test-file.txt'), EICAR);
  const message = sealPgpMessage(contentOf(PRICES), {
    encryptionKeys: [await readKey({ armoredKey: ours.publicKey })],
    signingKeys: [await readPrivateKey({ armoredKey: partner.privateKey })],
    isArmored: true,
  });
  await write(sealed, await buffer(message));
  return directory;
}

async function* contentOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, content, { mode: 0o600 });
}
