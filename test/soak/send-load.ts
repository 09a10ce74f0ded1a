/**
 * The partners of a soak: small files over SFTP and straight into landing, files of records, and large files, side by side and from several
 * tenants, at a steady rate.
 *
 * 1. What a sender was not told to have arrived is sent again under the same name with the same bytes, as partners do.
 * 2. A pause returns when everything under way has arrived.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import type { KnownFile } from '#testkit/checks/find-bucket-violations.ts';
import { knownFiles, makeFile, type TestFile } from '#testkit/seeds/known-files.ts';
import { recordsCsv } from '#testkit/seeds/record-definitions.ts';
import type { SftpClient } from '#testkit/servers/sftp-client.ts';
import {
  between,
  LARGE_BYTES,
  LARGE_PER_ROUND,
  pick,
  RECORDS_PER_FILE,
  SFTP_SHARE,
  SMALL_BYTES,
  SMALL_FILES_PER_LARGE_ROUND,
  SMALL_FILES_PER_RECORD_FILE,
  TENANTS,
  type TenantName,
} from './soak-plan.ts';

export interface SentCounts {
  readonly small: number;
  readonly overSftp: number;
  readonly large: number;
  readonly recordFiles: number;
  readonly records: number;
  /** A sender tried once more, because a server was down. */
  readonly sentAgain: number;
  readonly bytes: number;
}

export interface SoakLoad {
  readonly sent: SentCounts;
  /** Everything that was sent, by its key in landing. */
  readonly known: ReadonlyMap<string, KnownFile>;
  resume(): void;
  /** Resolves when nothing is under way. */
  pause(): Promise<void>;
}

export interface SoakLoadOptions {
  /** Small files a second, over all tenants. */
  readonly rate: number;
  readonly random: () => number;
}

const MOST_TRIES = 60;
const TRY_AGAIN_MS = 1_000;
/** A store that is slower than the rate is not buried. */
const MOST_UNDER_WAY = 32;
/** Of the records, one in a hundred each: no and for good, no at first, no reply at first. */
const REMARKS: Readonly<Record<number, string>> = { 13: 'SIM:A:final', 37: 'SIM:V:500:1', 71: 'SIM:C:reset-after:1' };

export function createSoakLoad(fleet: TestFleet, { rate, random }: SoakLoadOptions): SoakLoad {
  const counts = { small: 0, overSftp: 0, large: 0, recordFiles: 0, records: 0, sentAgain: 0, bytes: 0 };
  const known = new Map<string, KnownFile>();
  const partners = new Map<TenantName, Promise<SftpClient>>();
  const underWay = new Set<Promise<void>>();
  let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  let failed: { readonly cause: unknown } | undefined;

  function send(tenant: TenantName, file: TestFile, put: () => Promise<unknown>): void {
    for (const [key, expected] of knownFiles(tenant, [file])) known.set(key, expected);
    counts.bytes += file.body.length;
    const sending = untilArrived(put)
      .catch((cause: unknown) => {
        failed ??= { cause };
      })
      .finally(() => underWay.delete(sending));
    underWay.add(sending);
  }

  async function untilArrived(put: () => Promise<unknown>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await put();
        return;
      } catch (error) {
        if (tries === MOST_TRIES) throw error;
        counts.sentAgain += 1;
        await delay(TRY_AGAIN_MS);
      }
    }
  }

  async function putOverSftp(tenant: TenantName, { path, body }: TestFile): Promise<void> {
    const connecting = partners.get(tenant) ?? connect(tenant);
    partners.set(tenant, connecting);
    try {
      await (await connecting).put(`/${path}`, body);
    } catch (error) {
      // The next try connects; one that others have made meanwhile stays.
      if (partners.get(tenant) === connecting) partners.delete(tenant);
      throw error;
    }
  }

  async function connect(tenant: TenantName): Promise<SftpClient> {
    const partner = await fleet.sftp(tenant);
    await partner.makeDirectory('/sftp');
    return partner;
  }

  function sendSmall(): void {
    const number = String(++counts.small).padStart(6, '0');
    const tenant = pick(TENANTS, random);
    const isOverSftp = random() < SFTP_SHARE;
    const file = makeFile(`${isOverSftp ? 'sftp' : 's3'}/small-${number}.bin`, between(SMALL_BYTES, random));
    if (isOverSftp) counts.overSftp += 1;
    send(tenant, file, () => (isOverSftp ? putOverSftp(tenant, file) : fleet.put(`${tenant}/${file.path}`, file.body)));
  }

  function sendLarge(tenant: TenantName): void {
    const file = makeFile(`s3/large-${++counts.large}.bin`, between(LARGE_BYTES, random));
    send(tenant, file, () => fleet.put(`${tenant}/${file.path}`, file.body));
  }

  function sendRecords(): void {
    const tenant = pick(TENANTS, random);
    const route = pick(['checks', 'redemptions'], random);
    const number = ++counts.recordFiles;
    const rows = Array.from({ length: RECORDS_PER_FILE }, () => {
      counts.records += 1;
      const remark = route === 'checks' ? (REMARKS[counts.records % 100] ?? '') : '';
      return [`r-${counts.records}`, remark] as const;
    });
    const file = { path: `${route}/records-${number}.csv`, body: Buffer.from(recordsCsv(rows)) };
    send(tenant, file, () => fleet.put(`${tenant}/${file.path}`, file.body));
  }

  async function run(signal: AbortSignal): Promise<void> {
    let due = performance.now();
    while (!signal.aborted) {
      due = Math.max(due + 1_000 / rate, performance.now() - 1_000);
      await delay(Math.max(0, due - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (underWay.size >= MOST_UNDER_WAY) continue;
      sendSmall();
      if (counts.small % SMALL_FILES_PER_LARGE_ROUND === 5) {
        for (let number = 0; number < LARGE_PER_ROUND; number += 1) sendLarge(TENANTS[number % TENANTS.length]!);
      }
      if (counts.small % SMALL_FILES_PER_RECORD_FILE === 10) sendRecords();
    }
  }

  return {
    sent: counts,
    known,
    resume() {
      const stop = new AbortController();
      running = { stop, ended: run(stop.signal) };
    },
    async pause() {
      running?.stop.abort();
      await running?.ended;
      await Promise.all(underWay);
      if (failed !== undefined) throw new Error('a file could not be sent', { cause: failed.cause });
    },
  };
}
