/**
 * Partners that upload by a name and reconnect by it: small files at a steady rate, files of records, and large files side by side.
 *
 * A file counts as acknowledged when the server said so. One that was under way when the connection broke is sent again under the same
 * name, as SFTP clients do; one that was acknowledged is never sent again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { TenantAccess } from '#local/launcher/endpoints.ts';
import { recordsCsv } from '#testkit/seeds/record-definitions.ts';
import { connectSftp, type SftpClient } from '#testkit/servers/sftp-client.ts';
import { LARGE_BYTES, RECORDS_PER_FILE, SMALL_BYTES, SMALL_FILES_PER_RECORD_FILE } from './drill-plan.ts';
import type { NameSwitch } from './start-name-switch.ts';

export interface SentFile {
  /** In landing. */
  readonly key: string;
  readonly kind: 'small' | 'large' | 'records';
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly records: readonly string[];
  /** More than one: a try was cut off, and may have left its own version. */
  tries: number;
  /** Milliseconds since 1970. */
  acknowledgedAt?: number;
}

export interface DrillLoad {
  readonly sent: readonly SentFile[];
  resume(): void;
  /** Resolves when everything that was begun is acknowledged. */
  pause(): Promise<void>;
}

export interface DrillLoadOptions {
  readonly name: NameSwitch;
  readonly tenants: Readonly<Record<string, TenantAccess>>;
  /** Small files a second. */
  readonly rate: number;
  /** Large files under way at once. */
  readonly large: number;
}

const MOST_TRIES = 600;
const TRY_AGAIN_MS = 200;
/** A home that is lost answers nothing; the connection itself is cut by the name's switch. */
const CALL_TIMEOUT_MS = 20_000;
const MOST_UNDER_WAY = 32;
const DIRECTORIES = ['small', 'large', 'redemptions'];

export function createDrillLoad({ name, tenants, rate, large }: DrillLoadOptions): DrillLoad {
  const sent: SentFile[] = [];
  const tenantIds = Object.keys(tenants);
  const underWay = new Set<Promise<void>>();
  const lines = new Map<string, Promise<SftpClient>>();
  let running: { readonly stop: AbortController; readonly ended: Promise<unknown> } | undefined;
  let numbers = 0;

  async function connect(tenant: string): Promise<SftpClient> {
    const client = await connectSftp(name, tenants[tenant]!, CALL_TIMEOUT_MS);
    for (const directory of DIRECTORIES) await client.makeDirectory(`/${directory}`);
    return client;
  }

  /** Its own line for each large file, so that small ones do not wait behind it. */
  async function send(tenant: string, line: string, file: SentFile, body: Buffer): Promise<void> {
    for (; file.tries < MOST_TRIES; await delay(TRY_AGAIN_MS)) {
      file.tries += 1;
      const connecting = lines.get(line) ?? connect(tenant);
      lines.set(line, connecting);
      try {
        const client = await connecting;
        await client.put(file.key.slice(tenant.length), body);
        file.acknowledgedAt = Date.now();
        return;
      } catch {
        if (lines.get(line) !== connecting) continue;
        lines.delete(line);
        connecting.then((client) => client.close()).catch(() => undefined);
      }
    }
    throw new Error(`${file.key} could not be sent`);
  }

  function make(kind: SentFile['kind'], tenant: string, body: Buffer, records: readonly string[] = []): SentFile {
    const directory = kind === 'records' ? 'redemptions' : kind;
    const file: SentFile = {
      key: `${tenant}/${directory}/${kind}-${String(++numbers).padStart(6, '0')}.${kind === 'records' ? 'csv' : 'bin'}`,
      kind,
      records,
      sha256: createHash('sha256').update(body).digest('hex'),
      sizeBytes: body.length,
      tries: 0,
    };
    sent.push(file);
    return file;
  }

  function begin(sending: Promise<void>): void {
    const settled = sending.finally(() => underWay.delete(settled));
    settled.catch(() => undefined);
    underWay.add(settled);
  }

  async function sendSmallOnes(signal: AbortSignal): Promise<void> {
    let due = performance.now();
    for (let count = 1; !signal.aborted; count += 1) {
      due = Math.max(due + 1_000 / rate, performance.now() - 1_000);
      await delay(Math.max(0, due - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted || underWay.size >= MOST_UNDER_WAY) continue;
      const tenant = tenantIds[count % tenantIds.length]!;
      const body = randomBytes(1 + ((count * 131) % SMALL_BYTES));
      begin(send(tenant, tenant, make('small', tenant, body), body));
      if (count % SMALL_FILES_PER_RECORD_FILE !== 0) continue;
      const records = Array.from({ length: RECORDS_PER_FILE }, (_, index) => `r-${numbers}-${index}`);
      const csv = Buffer.from(recordsCsv(records.map((record) => [record] as const)));
      begin(send(tenant, tenant, make('records', tenant, csv, records), csv));
    }
  }

  async function sendLargeOnes(signal: AbortSignal, line: number): Promise<void> {
    const tenant = tenantIds[line % tenantIds.length]!;
    while (!signal.aborted) {
      const body = randomBytes(LARGE_BYTES + line);
      const sending = send(tenant, `${tenant} large ${line}`, make('large', tenant, body), body);
      begin(sending);
      await sending;
    }
  }

  return {
    sent,
    resume() {
      const stop = new AbortController();
      const loops = [sendSmallOnes(stop.signal)];
      for (let line = 0; line < large; line += 1) loops.push(sendLargeOnes(stop.signal, line));
      running = { stop, ended: Promise.all(loops) };
    },
    async pause() {
      running?.stop.abort();
      await running?.ended;
      await Promise.all(underWay);
      for (const line of lines.values()) (await line).close();
      lines.clear();
    },
  };
}
