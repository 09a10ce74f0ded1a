/**
 * `npm run bench -- content`: PGP against GnuPG, and scans against clamd itself, on the same bytes in the same run.
 *
 * 1. GnuPG and clamd are Debian's; what is not installed is left out, and said so.
 * 2. GnuPG's time is that of its process, without its start: one on an empty file is taken off.
 * 3. clamd's own rate is that of one bare `INSTREAM` over its socket. Sides are taken in turn; the median of each counts.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMessage, encrypt, generateKey } from 'openpgp';
import { Registry } from 'prom-client';
import { openPgpMessage } from '#shared/content/pgp/open-message.ts';
import { sealPgpMessage } from '#shared/content/pgp/seal-message.ts';
import { createScanner } from '#shared/content/scan/create-scanner.ts';
import { createScanSeconds } from '#shared/content/scan/scan-metrics.ts';
import type { ClamdAddress } from '#shared/content/scan/scan-variables.ts';
import { startInstalledClamd, whyNoClamd } from '#testkit/servers/clamd-servers.ts';
import { round } from './fleet-requests.ts';

const MIB = 1024 ** 2;
const CHUNK_BYTES = 64 * 1024;

export interface ContentBenchOptions {
  readonly mib: number;
  readonly rounds: number;
  readonly json: boolean;
}

interface Compared {
  readonly mibPerSecond: number;
  readonly peerMibPerSecond: number;
  readonly ratio: number;
  readonly wanted: number;
}

/** As partners make them; GnuPG compresses for keys that take it. */
const MESSAGES = [
  { name: 'plain', isSigned: false, made: ['--compress-algo', 'none'] },
  { name: 'compressed', isSigned: false, made: ['--compress-algo', 'zip'] },
  { name: 'signed', isSigned: true, made: ['--compress-algo', 'none', '--sign'] },
  { name: 'signed and compressed', isSigned: true, made: ['--compress-algo', 'zip', '--sign'] },
] as const;

type Result = Readonly<Record<string, Compared | string>>;

export async function runContentBench(options: ContentBenchOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-bench-'));
  try {
    const plain = join(directory, 'plain');
    // Rows, as partners' files have them: compressible, as GnuPG compresses.
    const row = () => `${randomBytes(6).toString('hex')},2026-03-04,${Math.floor(Math.random() * 1e6)},EUR,paid\n`;
    const block = Array.from({ length: 5_000 }, row).join('');
    await writeFile(plain, block.repeat(Math.ceil((options.mib * MIB) / block.length)).slice(0, options.mib * MIB));
    const result = { ...(await comparePgp(directory, plain, options)), scan: await compareScan(plain, options) };
    console.log(options.json ? JSON.stringify(result) : describe(result));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function comparePgp(directory: string, plain: string, options: ContentBenchOptions): Promise<Result> {
  if (spawnSync('gpg', ['--version']).status !== 0) return { pgp: 'gpg is not installed' };
  const { privateKey, publicKey } = await generateKey({
    userIDs: [{ name: 'ours', email: 'ours@example.com' }],
    format: 'object',
  });
  const gpg = await startGpg(directory, privateKey.armor());
  try {
    const empty = join(directory, 'empty');
    await writeFile(empty, '');
    const sealedEmpty = join(directory, 'sealed-empty');
    await writeFile(
      sealedEmpty,
      await encrypt({ message: await createMessage({ text: '' }), encryptionKeys: publicKey }),
    );
    const decrypting: Record<string, Compared> = {};
    for (const { name, isSigned, made } of MESSAGES) {
      const sealed = join(directory, `sealed-${name.replaceAll(' ', '-')}`);
      await gpg(['--output', sealed, ...made, '--encrypt', '--recipient', 'ours@example.com'], plain);
      decrypting[`PGP decrypt, ${name}`] = await compare(options, 0.45, {
        ours: () =>
          drain(
            openPgpMessage(createReadStream(sealed), {
              decryptionKeys: [privateKey],
              verificationKeys: isSigned ? [publicKey] : [],
              isSignatureRequired: isSigned,
              maxBytes: Number.MAX_SAFE_INTEGER,
            }),
          ),
        peer: () => gpg(['--decrypt'], sealed),
        start: () => gpg(['--decrypt'], sealedEmpty),
      });
    }
    const encrypting = ['--encrypt', '--recipient', 'ours@example.com'];
    return {
      ...decrypting,
      'PGP encrypt': await compare(options, 0.45, {
        ours: () =>
          drain(
            sealPgpMessage(createReadStream(plain), { encryptionKeys: [publicKey], signingKeys: [], isArmored: false }),
          ),
        peer: () => gpg(encrypting, plain),
        start: () => gpg(encrypting, empty),
      }),
    };
  } finally {
    spawnSync('gpgconf', ['--homedir', directory, '--kill', 'all']);
  }
}

async function startGpg(home: string, key: string) {
  const run = async (args: readonly string[], input?: string): Promise<void> => {
    const child = spawn(
      'gpg',
      [
        '--homedir',
        home,
        '--batch',
        '--yes',
        '--quiet',
        '--trust-model',
        'always',
        ...args,
        ...(input === undefined ? [] : [input]),
      ],
      { stdio: ['pipe', 'pipe', 'ignore'] },
    );
    child.stdin.end(input === undefined ? key : undefined);
    child.stdout.resume();
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`gpg ${args.join(' ')} ended with ${code}`);
  };
  await run(['--import']);
  return (args: readonly string[], input: string) => run(args, input);
}

async function compareScan(plain: string, options: ContentBenchOptions): Promise<Compared | string> {
  if (whyNoClamd !== undefined) return whyNoClamd;
  const clamd = await startInstalledClamd();
  try {
    const scan = createScanner({
      address: clamd.address,
      seconds: createScanSeconds(new Registry()),
      now: () => performance.now(),
    });
    const request = {
      bytes: () => createReadStream(plain),
      maxBytes: 2 * options.mib * MIB,
      signal: AbortSignal.timeout(600_000),
    };
    const ours = async () => {
      const { type } = await scan(request);
      if (type !== 'clean') throw new Error(`the verdict is ${type}`);
    };
    // The canary comes before the first.
    await ours();
    return await compare(options, 0.9, { ours, peer: () => instream(clamd.address, plain) });
  } finally {
    await clamd.stop();
  }
}

/** The protocol alone: chunks with their length before them, an empty one at the end (clamd(8)). */
async function instream(address: ClamdAddress, path: string): Promise<void> {
  const socket = 'path' in address ? createConnection(address.path) : createConnection(address);
  socket.write('zINSTREAM\0');
  for await (const piece of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE((piece as Buffer).length);
    socket.write(length);
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  socket.write(Buffer.alloc(4));
  let answer = '';
  for await (const piece of socket) answer += String(piece);
  if (!answer.startsWith('stream: OK')) throw new Error(`clamd answered ${answer}`);
}

interface Sides {
  readonly ours: () => Promise<void>;
  readonly peer: () => Promise<void>;
  /** What the peer's time has of its start alone. */
  readonly start?: () => Promise<void>;
}

async function compare({ mib, rounds }: ContentBenchOptions, wanted: number, sides: Sides): Promise<Compared> {
  const times: Record<keyof Sides, number[]> = { ours: [], peer: [], start: [] };
  for (let index = 0; index < rounds; index += 1)
    for (const side of ['ours', 'peer', 'start'] as const) times[side].push(await secondsOf(sides[side]));
  const [ours, peer] = [median(times.ours), median(times.peer) - median(times.start)];
  return {
    mibPerSecond: round(mib / ours),
    peerMibPerSecond: round(mib / peer),
    ratio: round(peer / ours),
    wanted,
  };
}

async function secondsOf(run: (() => Promise<void>) | undefined): Promise<number> {
  if (run === undefined) return 0;
  const startedMs = performance.now();
  await run();
  return (performance.now() - startedMs) / 1_000;
}

async function drain(pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _piece of pieces);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function describe(result: Result): string {
  return Object.entries(result)
    .map(([name, compared]) =>
      typeof compared === 'string'
        ? `${name}: ${compared}`
        : `${name}: ${compared.mibPerSecond} MiB/s, ${compared.ratio} of ${compared.peerMibPerSecond} MiB/s (wanted ${compared.wanted})`,
    )
    .join('\n');
}
