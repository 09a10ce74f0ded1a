/** Prints a new key and a certificate that is signed with it, as JSON. A process: the library stays in memory otherwise, with 26 MB. */
import { generate } from 'selfsigned';

/** No task lives so long, and who connects to one checks neither the name nor the date. */
const LASTS_MS = 10 * 365 * 86_400_000;

const { private: key, cert } = await generate([{ name: 'commonName', value: 'longshore' }], {
  keyType: 'ec',
  algorithm: 'sha256',
  notAfterDate: new Date(Date.now() + LASTS_MS),
});
process.stdout.write(JSON.stringify({ key, cert }));
