/** `longshore receipts verify`, which needs files alone. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '#cli/run-cli.ts';
import { createReceiptKeys, makeReceiptKey } from '#shared/receipts/receipt-keys.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longshore-receipts-'));
  const secret = makeReceiptKey();
  const keys = createReceiptKeys({ read: async () => ({ text: secret, version: '1' }) }, 'key');
  const file = { id: 'f', path: 'in/a.csv', sizeBytes: 3, sha256: createHash('sha256').update('abc').digest('hex') };
  const first = await keys.sign({
    tenant: 'acme',
    seq: 1,
    previous: null,
    issuedAt: '2026-01-01T00:00:00Z',
    file,
    deliveries: [],
  });
  const previous = createHash('sha256').update(first).digest('hex');
  const second = await keys.sign({
    tenant: 'acme',
    seq: 2,
    previous,
    issuedAt: '2026-01-01T00:00:00Z',
    file,
    deliveries: [{ step: 'push' }],
  });
  await write('first.jws', first);
  await write('second.jws', `${second}\n`);
  await write('keys.jwks', JSON.stringify(await keys.published()));
  await write('a.csv', 'abc');
  await write('other.csv', 'abd');
  await write('altered.jws', second.replace(/\.[^.]{6}/, '.AAAAAA'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFile(join(directory, name), text);
const at = (name: string) => join(directory, name);

async function verify(...args: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [text(stdout), text(stderr)];
  const streams = { stdin: Readable.from(['']), stdout, stderr };
  // Of a machine that has no fleet.
  const code = await runCli(['receipts', 'verify', ...args, '--jwks', at('keys.jwks')], streams, {
    LONGSHORE_HOME: at('none'),
  });
  stdout.end();
  stderr.end();
  return { code, out: await out, err: await err };
}

test('says what a good one is about', async () => {
  const { code, out } = await verify(at('second.jws'), '--against', at('a.csv'), '--previous', at('first.jws'));
  expect([code, out]).toEqual([0, expect.stringMatching(/valid, 2 of acme[\s\S]*in\/a\.csv[\s\S]*push/)]);
});

test.each([
  ['altered', ['altered.jws'], /altered|not a receipt/],
  ['about another file', ['second.jws', '--against', 'other.csv'], /its bytes are others/],
  ['after another one', ['second.jws', '--previous', 'second.jws'], /not the receipt before/],
  ['not there', ['nowhere.jws'], /cannot be read[\s\S]*There is no/],
  ['about a file that is not there', ['second.jws', '--against', 'nowhere.csv'], /cannot be read[\s\S]*There is no/],
])('fails for one that is %s', async (_name, args, message) => {
  const { code, err } = await verify(...args.map((arg) => (arg.startsWith('--') ? arg : at(arg))));
  expect(code).not.toBe(0);
  expect(err).toMatch(message);
});
