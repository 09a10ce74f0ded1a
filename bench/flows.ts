/**
 * `npm run bench -- flows`: fetching from and bringing to partners' servers, against the programs that people use for it, on the same server
 * in the same run; a long listing; and loading rows against `psql \copy`.
 *
 * 1. Files are read to and written from a directory, by both sides, so that what is compared is the client. Ours asks for size and time before
 *    and after, writes under a temporary name and has it flushed (as `put -f` does), as pulls and pushes do; several files share a connection
 *    where its protocol can.
 * 2. Sides take turns within a round; the ratio is that of the medians. What is not installed is left out, and named.
 * 3. Ours runs in a process with the memory that the service has whose work it is: pulls and large pushes in the large-file-worker's, small
 *    pushes and loads in the partner-worker's. Their peaks are shown.
 * 4. Ours does the work once before it is measured: a worker runs for days, and V8 has compiled what it runs often.
 * 5. Every turn has its own directories, and small files stay until the end of the run: ext4 without a journal passes over each inode that was
 *    deleted in the minutes before when it makes a file, so that who comes later would pay for the clearing up.
 * 6. On a machine that does other work too, seconds say little: the processor time of the client, ours or theirs, is compared as well.
 */
import { execFile, fork, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startPostgres } from '#local/postgres/start-postgres.ts';
import { recordsSchema } from '#shared/definitions/routes/records-schema.ts';
import { createAddressGuard } from '#shared/http/address-guard.ts';
import { openRemote, readRemoteSecrets } from '#shared/remotes/open-remote.ts';
import type { RemoteConnection } from '#shared/remotes/remote-connection.ts';
import { memoryFlags } from '#shared/runtime/config/memory.ts';
import { loadOptions } from '#shared/steps/load/options.ts';
import { loadStep } from '#shared/steps/load/run.ts';
import { startLoadBed } from '#testkit/beds/load-bed.ts';
import { runStep, startStepBench } from '#testkit/beds/step-bed.ts';
import { PARTNER_SERVERS, type PartnerFileServer } from '#testkit/servers/partner-file-servers.ts';
import { measuringEnvironment } from './config.ts';
import { percentiles } from './percentiles.ts';

export interface FlowsBenchOptions {
  readonly mib: number;
  readonly files: number;
  readonly listed: number;
  readonly rows: number;
  readonly rounds: number;
  /** Races whose names have this text. */
  readonly race: string;
  readonly json: boolean;
}

const SMALL_BYTES = 10_240;
const CONNECTIONS = 4;
/** Of one connection at a time, as of a remote's (shared/remotes/remote-directory.ts). */
const USES = 8;
const LARGE = 'large.bin';
const run = promisify(execFile);

/** Of one turn. */
interface Place {
  readonly server: PartnerFileServer;
  /** On this side. */
  readonly here: string;
  /** What the remote shows as `directory`, on disk. */
  readonly there: string;
  /** Ends with `/`. */
  readonly directory: string;
}
type Side = (place: Place) => Promise<void>;
interface Race {
  readonly name: string;
  readonly ours: Side;
  /** By program. */
  readonly others: Readonly<Record<string, Side>>;
}

interface Line {
  readonly name: string;
  readonly seconds: Readonly<Record<string, number>>;
  /** Of the client alone. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
  /** How many times as fast as each other side. */
  readonly ratios: Readonly<Record<string, number>>;
}

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const TICKS_PER_SECOND = 100;

/** Of this process, or of the programs that it ran to their end. */
function cpuSeconds(of: 'process' | 'programs'): number {
  if (of === 'process') return (process.cpuUsage().user + process.cpuUsage().system) / 1_000_000;
  const text = readFileSync('/proc/self/stat', 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

async function measure(of: 'process' | 'programs', work: () => Promise<unknown>): Promise<Measured> {
  const [startedMs, cpuBefore] = [performance.now(), cpuSeconds(of)];
  await work();
  return { seconds: (performance.now() - startedMs) / 1_000, cpuSeconds: cpuSeconds(of) - cpuBefore };
}

const SERVICES = ['large-file-worker', 'partner-worker'] as const;
type Service = (typeof SERVICES)[number];

export interface FlowsMeasurement {
  readonly options: FlowsBenchOptions;
  readonly service: Service;
  /** Removed once all is measured. */
  readonly home: string;
}
interface FlowsMeasured {
  readonly lines: readonly Line[];
  readonly facts: Readonly<Record<string, number>>;
}

export async function runFlowsBench(options: FlowsBenchOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'longshore-flows-'));
  try {
    await runIn(home, options);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function runIn(home: string, options: FlowsBenchOptions): Promise<void> {
  const all: FlowsMeasured[] = [];
  for (const service of SERVICES) {
    const measurement: FlowsMeasurement = { options, service, home };
    const child = fork(fileURLToPath(new URL('flows-process.ts', import.meta.url)), [JSON.stringify(measurement)], {
      execArgv: [...memoryFlags(service)],
      env: measuringEnvironment(),
    });
    const measured = new Promise<FlowsMeasured>((resolve) => child.once('message', resolve));
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`measuring what the ${service} does ended with ${code}`);
    all.push(await measured);
  }
  const lines = all.flatMap((measured) => measured.lines);
  const facts = Object.assign({}, ...all.map((measured) => measured.facts));
  process.stdout.write(`${JSON.stringify(options.json ? { lines, facts } : facts)}\n`);
}

/** Whose work a race is. */
function serviceOf(race: string): Service {
  return race.startsWith('push small') || race === 'load' ? 'partner-worker' : 'large-file-worker';
}

/** In a process with the memory of the service. */
export async function measureFlows({ options, service, home }: FlowsMeasurement): Promise<FlowsMeasured> {
  const lines: Line[] = [];
  // A run takes minutes: what is known is shown.
  const note = (line: Line): void => {
    lines.push(line);
    if (!options.json) process.stdout.write(shown(line));
  };
  const facts: Record<string, number> = {};
  for (const [title, prefix, races] of [
    ['SFTP, OpenSSH', 'OpenSSH', sftpRaces()],
    ['FTPS, vsftpd', 'vsftpd', ftpsRaces()],
  ] as const) {
    const chosen = races.filter(
      ({ name }) => serviceOf(name) === service && `${title}: ${name}`.includes(options.race),
    );
    const isListed = prefix === 'OpenSSH' && service === 'large-file-worker' && 'listing'.includes(options.race);
    if (chosen.length === 0 && !isListed) continue;
    const kind = PARTNER_SERVERS.find(({ name }) => name.startsWith(prefix));
    if (kind === undefined || kind.missing !== undefined) {
      process.stderr.write(`${title} is left out: ${kind?.missing ?? 'not known'}\n`);
      continue;
    }
    const server = await kind.start();
    const here = await mkdtemp(join(home, 'here-'));
    try {
      for (const race of chosen)
        note({ ...(await compete({ server, here }, race, options)), name: `${title}: ${race.name}` });
      if (isListed) Object.assign(facts, await list(server, options.listed));
    } finally {
      await rename(server.onDisk, `${here}-there`);
      await server.stop();
    }
  }
  if (serviceOf('load') === service && 'load'.includes(options.race)) note(await raceLoad(options));
  if (lines.length > 0) facts[`peakRssMiB of the ${service}`] = Math.round(process.resourceUsage().maxRSS / 1_024);
  return { lines, facts };
}

function shown({ name, seconds, cpuSeconds: cpu, ratios }: Line): string {
  const taken = Object.entries(seconds).map(
    ([side, value]) => `${side} ${value.toFixed(2)} s (client's CPU ${cpu[side]?.toFixed(2)})`,
  );
  const compared = Object.entries(ratios).map(([side, ratio]) => `${ratio.toFixed(2)} × ${side}`);
  return `${name}\n  ${taken.join(', ')}\n  ${compared.join(', ')}\n`;
}

async function compete({ server, here }: Pick<Place, 'server' | 'here'>, race: Race, options: FlowsBenchOptions) {
  const installed = Object.entries(race.others).filter(([program]) => isInstalled(program.split(' ')[0] ?? ''));
  const sides: [string, Side][] = [['longshore', race.ours], ...installed];
  const measured = new Map<string, Measured[]>();
  for (let round = -1; round < options.rounds; round += 1) {
    for (const [name, side] of round < 0 ? sides.slice(0, 1) : sides) {
      const place = await placeOfTurn({ server, here });
      await fill(race.name.startsWith('pull') ? place.there : place.here, race.name, options);
      const taken = await measure(name === 'longshore' ? 'process' : 'programs', () => side(place));
      if (round >= 0) measured.set(name, [...(measured.get(name) ?? []), taken]);
      const came = race.name.startsWith('pull') ? place.here : place.there;
      const names = (await readdir(came)).filter((each) => !each.startsWith('.'));
      const expected = race.name.endsWith('large') ? 1 : options.files;
      const sizes = await Promise.all(names.map(async (each) => (await stat(join(came, each))).size));
      const size = race.name.endsWith('large') ? options.mib * 1_048_576 : SMALL_BYTES;
      if (names.length !== expected || sizes.some((each) => each !== size))
        throw new Error(`${name} did not carry every file whole in ${race.name}: ${names.length} of ${expected}`);
      if (race.name.endsWith('large')) await clear(place);
    }
  }
  return summed(measured);
}

function summed(measured: ReadonlyMap<string, readonly Measured[]>) {
  const medians = (of: keyof Measured): Record<string, number> =>
    Object.fromEntries([...measured].map(([name, all]) => [name, percentiles(all.map((each) => each[of])).p50]));
  const seconds = medians('seconds');
  const { longshore = Number.NaN, ...others } = seconds;
  return {
    seconds,
    cpuSeconds: medians('cpuSeconds'),
    ratios: Object.fromEntries(Object.entries(others).map(([name, value]) => [name, value / longshore])),
  };
}

async function placeOfTurn({ server, here }: Pick<Place, 'server' | 'here'>): Promise<Place> {
  const there = await mkdtemp(join(server.onDisk, 'turn-'));
  // Whatever user the server lets in writes there.
  await chmod(there, 0o777);
  return {
    server,
    here: await mkdtemp(join(here, 'turn-')),
    there,
    directory: `${server.directory}${basename(there)}/`,
  };
}

async function clear({ there, here }: Place): Promise<void> {
  for (const directory of [there, here]) await rm(directory, { recursive: true });
}

async function fill(directory: string, race: string, { mib, files }: FlowsBenchOptions): Promise<void> {
  if (race.endsWith('large')) {
    const piece = randomBytes(1_048_576);
    await pipeline(
      function* () {
        for (let count = 0; count < mib; count += 1) yield piece;
      },
      createWriteStream(join(directory, LARGE), { mode: 0o644 }),
    );
    return;
  }
  const content = randomBytes(SMALL_BYTES);
  for (let index = 0; index < files; index += 1)
    await writeFile(join(directory, `f${index}`), content, { mode: 0o644 });
}

async function connect({ remote, secrets }: PartnerFileServer): Promise<RemoteConnection> {
  const store = { read: async (name: string) => ({ text: secrets[name] ?? '', version: '1' }) };
  return await openRemote(remote, await readRemoteSecrets(remote, store), {
    guard: createAddressGuard({ allow: ['127.0.0.0/8'] }),
  });
}

/** All names over so many connections. */
async function each(
  place: Place,
  { names, connections }: { readonly names: readonly string[]; readonly connections: number },
  work: (connection: RemoteConnection, name: string) => Promise<void>,
): Promise<void> {
  const open = [...names];
  const one = async (): Promise<void> => {
    const connection = await connect(place.server);
    const lane = async (use: RemoteConnection): Promise<void> => {
      for (let name = open.shift(); name !== undefined; name = open.shift()) await work(use, name);
    };
    try {
      const uses = Array.from({ length: connection.share === undefined ? 1 : USES }, () => connection.share?.());
      await Promise.all(uses.map((use) => lane(use ?? connection)));
    } finally {
      await connection.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(connections, names.length) }, one));
}

const pullOurs =
  (connections: number): Side =>
  async (place) => {
    const names = await readdir(place.there);
    await each(place, { names, connections }, async (connection, name) => {
      const path = `${place.directory}${name}`;
      const before = await connection.stat(path);
      const bytes = connection.read(path, 0, before?.sizeBytes);
      await keep(join(place.here, name), bytes, before?.sizeBytes ?? 0);
      const after = await connection.stat(path);
      if (after?.sizeBytes !== before?.sizeBytes) throw new Error(`${name} changed`);
    });
  };

const pushOurs =
  (connections: number): Side =>
  async (place) => {
    const names = await readdir(place.here);
    await each(place, { names, connections }, async (connection, name) => {
      const path = `${place.directory}${name}`;
      const temp = `${place.directory}.${name}.part`;
      const content = contentOf(join(place.here, name));
      const writeAndStat = async () => {
        await connection.write(temp, content);
        return await connection.stat(temp);
      };
      if ((await (connection.writeAndStat ?? writeAndStat)(temp, content)) === undefined)
        throw new Error(`${name} is not there`);
      const renameAndStat = async () => {
        await connection.rename(temp, path);
        return await connection.stat(path);
      };
      if ((await (connection.renameAndStat ?? renameAndStat)(temp, path)) === undefined)
        throw new Error(`${name} was not renamed`);
    });
  };

/** A small one at once, as the part of an upload is sent once it is full. */
async function keep(path: string, bytes: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<void> {
  if (sizeBytes > SMALL_BYTES) return await pipeline(bytes, createWriteStream(path, { highWaterMark: 1_048_576 }));
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  writeFileSync(path, Buffer.concat(pieces));
}

/** As a store gives an object: no buffer is larger than what is in it. */
async function* contentOf(path: string): AsyncGenerator<Uint8Array> {
  const { size } = statSync(path);
  if (size <= SMALL_BYTES) yield readFileSync(path);
  else yield* createReadStream(path, { highWaterMark: 262_144 });
}

function isInstalled(program: string): boolean {
  return spawnSync('which', [program]).status === 0;
}

async function keyFile({ server, here }: Place): Promise<string> {
  const path = `${here}.key`;
  await writeFile(path, server.secrets['partner-key'] ?? '', { mode: 0o600 });
  return path;
}

function sftpRaces(): Race[] {
  const rclone =
    (direction: 'pull' | 'push', transfers: number): Side =>
    async (place) => {
      const { directory, server } = place;
      const { remote } = server;
      const there = `:sftp,host=127.0.0.1,port=${remote.port},user=root,key_file=${await keyFile(place)},disable_hashcheck=true:${directory}`;
      const [from, to] = direction === 'pull' ? [there, place.here] : [place.here, there];
      await run('rclone', [
        'copy',
        from,
        to,
        '--transfers',
        String(transfers),
        '--ignore-checksum',
        '--config',
        '/dev/null',
      ]);
    };
  const sftp =
    (direction: 'pull' | 'push' | 'push and rename'): Side =>
    async (place) => {
      const { directory, server, here } = place;
      const { remote } = server;
      const batch = `${here}.batch`;
      const renamed = (name: string) => `put -f ${here}/${name} .${name}.part\nrename .${name}.part ${name}\n`;
      const words = {
        pull: () => `lcd ${here}\nget ${directory}*\n`,
        push: () => `cd ${directory}\nput -f ${here}/*\n`,
        'push and rename': async () => `cd ${directory}\n${(await readdir(here)).map(renamed).join('')}`,
      };
      await writeFile(batch, await words[direction]());
      const trust = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'];
      const login = ['-i', await keyFile(place), '-P', String(remote.port)];
      await run('sftp', ['-b', batch, ...login, ...trust, 'root@127.0.0.1'], { maxBuffer: 64 * 1_048_576 });
    };
  return (['pull', 'push'] as const).flatMap((direction) => {
    const ours = direction === 'pull' ? pullOurs : pushOurs;
    return [
      {
        ...{ name: `${direction} large`, ours: ours(1) },
        others: { rclone: rclone(direction, 1), 'sftp -b': sftp(direction) },
      },
      {
        ...{ name: `${direction} small, one connection`, ours: ours(1) },
        others: {
          'sftp -b': sftp(direction),
          // What ours does: the final name is never seen with a part of the file.
          ...(direction === 'push' && { 'sftp -b with rename': sftp('push and rename') }),
        },
      },
      {
        ...{ name: `${direction} small, ${CONNECTIONS} connections`, ours: ours(CONNECTIONS) },
        others: { 'rclone (4 transfers)': rclone(direction, CONNECTIONS), 'sftp -b': sftp(direction) },
      },
    ];
  });
}

function ftpsRaces(): Race[] {
  const url = ({ server, directory }: Place) => `ftp://127.0.0.1:${server.remote.port}${directory}${LARGE}`;
  const login = ({ server }: Place) => `${server.remote.user}:${server.secrets['partner-password']}`;
  const curl =
    (direction: 'pull' | 'push'): Side =>
    async (place) => {
      const file = join(place.here, LARGE);
      const words = direction === 'pull' ? ['-o', file] : ['-T', file];
      await run('curl', ['-sS', '-k', '--ssl-reqd', '-u', login(place), ...words, url(place)]);
    };
  const lftp =
    (direction: 'pull' | 'push'): Side =>
    async (place) => {
      const { directory, server } = place;
      const { remote } = server;
      const mirror =
        direction === 'pull'
          ? `mirror -P${CONNECTIONS} ${directory} ${place.here}`
          : `mirror -R -P${CONNECTIONS} ${place.here} ${directory.replace(/\/$/, '')}`;
      const settings =
        'set ssl:verify-certificate no; set ftp:ssl-force true; set ftp:ssl-protect-data true; set cmd:fail-exit true';
      const target = ['-u', login(place).replace(':', ','), '-p', String(remote.port), '127.0.0.1'];
      await run('lftp', ['-e', `${settings}; ${mirror}; quit`, ...target], { maxBuffer: 64 * 1_048_576 });
    };
  return (['pull', 'push'] as const).flatMap((direction) => {
    const ours = direction === 'pull' ? pullOurs : pushOurs;
    return [
      { name: `${direction} large`, ours: ours(1), others: { curl: curl(direction) } },
      {
        ...{ name: `${direction} small, ${CONNECTIONS} connections`, ours: ours(CONNECTIONS) },
        others: { lftp: lftp(direction) },
      },
    ];
  });
}

/** Memory is read as the listing comes: it must not grow with it. */
async function list(server: PartnerFileServer, count: number): Promise<Record<string, number>> {
  const directory = join(server.onDisk, 'many');
  await mkdir(directory);
  for (let index = 0; index < count; index += 1) await writeFile(join(directory, `statement-${index}.csv`), '');
  const connection = await connect(server);
  global.gc?.();
  const heapBefore = process.memoryUsage().rss;
  let most = heapBefore;
  let entries = 0;
  const startedMs = performance.now();
  for await (const _entry of connection.list(`${server.directory}many/`)) {
    entries += 1;
    if (entries % 1_000 === 0) most = Math.max(most, process.memoryUsage().rss);
  }
  const listingSeconds = (performance.now() - startedMs) / 1_000;
  await connection.close();
  if (entries !== count) throw new Error(`${entries} of ${count} entries came`);
  return { listed: count, listingSeconds, listingMiB: Math.round((most - heapBefore) / 1_048_576) };
}

async function raceLoad({ rows, rounds }: FlowsBenchOptions) {
  const directory = await mkdtemp(join(tmpdir(), 'longshore-load-'));
  const postgres = await startPostgres({ directory: join(directory, 'postgres'), port: 0, isDisposable: true });
  const [bench, bed] = await Promise.all([
    startStepBench(),
    startLoadBed({ url: postgres.url, drop: () => postgres.stop() }),
  ]);
  const text = `id,name,amount\n${Array.from({ length: rows }, (_, index) => `${index},name ${index},${index % 1_000}.50\n`).join('')}`;
  const file = join(directory, 'rows.csv');
  await writeFile(file, text);
  const object = await bench.land('rows.csv', text);
  const layout = recordsSchema.parse({
    format: 'csv',
    columns: [{ name: 'id', type: 'integer', required: true }, { name: 'name' }, { name: 'amount', type: 'decimal' }],
  });
  const measured = new Map<string, Measured[]>();
  let isWarmUp = true;
  const time = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    await bed.sql`TRUNCATE statements, longshore_loads`;
    const taken = await measure(name === 'longshore' ? 'process' : 'programs', work);
    if (!isWarmUp) measured.set(name, [...(measured.get(name) ?? []), taken]);
    const [loaded] = await bed.sql`SELECT count(*)::int AS n FROM statements`;
    if (loaded?.n !== rows) throw new Error(`${name} loaded ${loaded?.n} of ${rows} rows`);
  };
  const open = bed.open();
  try {
    for (let round = -1; round < rounds; round += 1) {
      isWarmUp = round < 0;
      await time('longshore', () =>
        runStep(bench, {
          ...{ step: loadStep, kind: loadOptions, object, targets: bed.targets(open) },
          records: { layout, failJobAt: 1, store: undefined as never },
          options: { database: 'warehouse', table: 'statements' },
        }),
      );
      if (!isWarmUp && isInstalled('psql'))
        await time('\\copy', () =>
          run('psql', [bed.database.url, '-qc', `\\copy statements FROM '${file}' WITH (FORMAT csv, HEADER)`]),
        );
    }
  } finally {
    open.close();
    await Promise.all([bench.stop(), bed.stop()]);
    await rm(directory, { recursive: true, force: true });
  }
  return { name: `load of ${rows} rows`, ...summed(measured) };
}
