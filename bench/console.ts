/**
 * `npm run bench -- console`: what the console takes in a browser, on a line and a processor that are made slow, and with lists that are long.
 *
 * 1. The API is the process that `npm start` runs, in a home that is thrown away; rows are put into the tables as tests do.
 * 2. The list of files is opened in a browser that has nothing of it yet, with a quarter of its processor, at 10 Mbit/s and 40 ms. Long lists
 *    are scrolled to their end without that; the browser's own account says what kept it busy and what it holds.
 */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core';
import type { Stack } from '#local/stack.ts';
import type { Sql } from '#shared/db/connect-database.ts';
import { BROWSER_OPTIONS } from '#testkit/beds/open-console.ts';
import { seedTenant } from '#testkit/seeds/seed-jobs.ts';
import { seedRecords } from '#testkit/seeds/seed-records.ts';
import { applyTenantDocuments } from './apply-tenant-documents.ts';
import { connectForBench } from './connect-for-bench.ts';
import { insertFinishedFiles } from './finished-files.ts';
import { percentiles } from './percentiles.ts';
import { withHome, withStack } from './with-stack.ts';

export interface ConsoleBenchOptions {
  readonly files: number;
  readonly records: number;
  readonly lines: number;
  readonly samples: number;
  readonly json: boolean;
}

interface LongList {
  readonly rows: number;
  /** From the first row to the last. */
  readonly seconds: number;
  readonly requests: number;
  /** At once, while it was scrolled. */
  readonly mostInDocument: number;
  readonly heapMb: number;
  /** Milliseconds of the longest task of the page. */
  readonly longestTask: number;
  readonly tasksOver50: number;
}

interface ConsoleResult {
  readonly load: number;
  readonly usableMs: number;
  readonly nextPageMs: number;
  readonly inputMs: number;
  readonly records: LongList;
  readonly timeline: LongList;
}

const TENANT = 'bench';
const ROUTE = `kind: route\ntenant: ${TENANT}\nname: bench\nmatch: { path: '**' }\nsteps:\n  - validate:\n  - deliver:\n  - confirm:\n`;
const SLOW = { cpu: 4, latencyMs: 40, bytesPerSecond: 10_000_000 / 8 };
const SCROLL_TIMEOUT_MS = 900_000;
const WANTED = { usableMs: 1_500, nextPageMs: 200, inputMs: 200, inDocument: 60, heapMb: 60, task: 50 };

const BUILD_PAGES = fileURLToPath(new URL('../console/build-pages.ts', import.meta.url));

export async function runConsoleBench(options: ConsoleBenchOptions): Promise<void> {
  execFileSync(process.execPath, [BUILD_PAGES], { stdio: 'inherit' });
  const result = await withHome((home) =>
    withStack({ home, services: ['control-api'] }, async (stack) => {
      const sql = connectForBench(stack.env.DATABASE_URL);
      const browser = await chromium.launch(BROWSER_OPTIONS);
      try {
        const long = await seed(sql, options);
        return await measure(stack, browser, long, options);
      } finally {
        await browser.close();
        await sql.end({ timeout: 5 });
      }
    }),
  );
  console.log(options.json ? JSON.stringify(result) : describe(result, options));
}

interface LongFile {
  readonly jobId: string;
  readonly fileId: string;
}

async function seed(sql: Sql, { files, records, lines }: ConsoleBenchOptions): Promise<LongFile> {
  await applyTenantDocuments(sql, TENANT, ROUTE);
  await insertFinishedFiles(sql, TENANT, files);
  await seedTenant(sql);
  const definition = {
    records: { columns: [{ name: 'id' }], businessKey: ['id'] },
    steps: [{ parse: {} }, { call: {} }],
  };
  await sql`
    UPDATE route_versions SET definition = ${sql.json(definition)}
    WHERE route_id IN (SELECT id FROM routes WHERE tenant_id = 'acme')`;
  const { job } = await seedRecords(sql, { records, keyOf: (line) => JSON.stringify([`key-${line}`]) });
  // No two neighbours are alike, so that none are folded.
  await sql`
    INSERT INTO audit_events (type, tenant_id, file_id, job_id, actor, detail, at)
    SELECT CASE n % 2 WHEN 0 THEN 'job.held' ELSE 'job.released' END, 'acme', ${job.fileId}, ${job.id}, 'person ' || n,
      jsonb_build_object('reason', 'reason ' || n), now() + n * interval '1 ms'
    FROM generate_series(1, ${lines}::int) AS n`;
  await sql`ANALYZE`;
  return { jobId: job.id, fileId: job.fileId };
}

async function measure(
  { endpoints }: Stack,
  browser: Browser,
  { jobId, fileId }: LongFile,
  { samples, records, lines }: ConsoleBenchOptions,
): Promise<ConsoleResult> {
  const key = (await readFile(endpoints.operatorKeyFile, 'utf8')).trim();
  const at = (path: string) => new URL(`/console${path}`, endpoints.api).href;
  const open = async (): Promise<Page> => {
    const made = await fetch(new URL('/api/v1/sign-in-links', endpoints.api), {
      method: 'POST',
      headers: { 'x-api-key': key },
    });
    const { url } = (await made.json()) as { url: string };
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
    await page.goto(url);
    await page.getByRole('navigation', { name: 'Views' }).waitFor();
    return page;
  };
  const usable: number[] = [];
  const next: number[] = [];
  const input: number[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    const page = await open();
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    await session.send('Network.clearBrowserCache');
    await slowDown(session);
    let startedMs = performance.now();
    await page.goto(at('/files'));
    await page.locator('[data-index="0"]').waitFor();
    usable.push(performance.now() - startedMs);
    await page.evaluate(WATCH_INPUT);
    const loaded = page.waitForResponse((response) => response.url().includes('cursor='));
    startedMs = performance.now();
    await page.evaluate("document.querySelector('[role=grid]').scrollTop = 1e6");
    await loaded;
    next.push(performance.now() - startedMs);
    await page.getByRole('grid').getByRole('row').nth(1).click();
    for (const pressed of ['j', 'j', 'k', 'x', '?', 'Escape']) await page.keyboard.press(pressed);
    input.push(Number(await page.evaluate('globalThis.longestInput ?? 0')));
    await page.context().close();
  }
  const page = await open();
  const ofRecords = await scrollThrough(page, {
    address: at(`/jobs/${jobId}/records`),
    list: '[role=grid]',
    rows: records,
  });
  const ofLines = await scrollThrough(page, {
    address: at(`/files/${fileId}`),
    list: '[aria-label=Timeline]',
    rows: lines,
  });
  return {
    load: loadavg()[0] ?? Number.NaN,
    usableMs: percentiles(usable).p50,
    nextPageMs: percentiles(next).p50,
    inputMs: Math.max(...input),
    records: ofRecords,
    timeline: ofLines,
  };
}

async function slowDown(session: CDPSession): Promise<void> {
  await session.send('Emulation.setCPUThrottlingRate', { rate: SLOW.cpu });
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: SLOW.latencyMs,
    downloadThroughput: SLOW.bytesPerSecond,
    uploadThroughput: SLOW.bytesPerSecond,
  });
}

const WATCH_INPUT = `new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) globalThis.longestInput = Math.max(globalThis.longestInput ?? 0, duration);
}).observe({ type: 'event', durationThreshold: 16 })`;
const WATCH_TASKS = `globalThis.tasks = []; new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) globalThis.tasks.push(duration);
}).observe({ type: 'longtask' })`;

interface ListToScroll {
  readonly address: string;
  readonly list: string;
  readonly rows: number;
}

/** To the end, as each page of it comes. */
async function scrollThrough(page: Page, { address, list, rows }: ListToScroll): Promise<LongList> {
  await page.goto(address);
  await page.locator(`${list} [data-index="0"]`).waitFor();
  await page.evaluate(WATCH_TASKS);
  let requests = 0;
  page.on('request', (request) => {
    if (request.url().includes('/api/')) requests += 1;
  });
  const startedMs = performance.now();
  const deadline = startedMs + SCROLL_TIMEOUT_MS;
  let [most, last] = [0, 0];
  while (last < rows - 1) {
    if (performance.now() > deadline)
      throw new Error(`${address}: ${last} of ${rows} rows after ${SCROLL_TIMEOUT_MS} ms`);
    const seen = (await page.evaluate(`(() => {
      const list = document.querySelector('${list}');
      list.scrollTop = list.scrollHeight;
      const shown = [...list.querySelectorAll('[data-index]')].map((row) => Number(row.dataset.index));
      return [shown.length, Math.max(...shown)];
    })()`)) as [number, number];
    most = Math.max(most, seen[0]);
    last = Math.max(last, seen[1]);
    await page.waitForTimeout(20);
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  page.removeAllListeners('request');
  const tasks = (await page.evaluate('globalThis.tasks')) as number[];
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  await session.detach();
  const heap = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN;
  return {
    ...{ rows, seconds, requests },
    mostInDocument: most,
    heapMb: heap / 1_000_000,
    longestTask: Math.max(0, ...tasks),
    tasksOver50: tasks.filter((ms) => ms > WANTED.task).length,
  };
}

function describe(result: ConsoleResult, { files }: ConsoleBenchOptions): string {
  const { usableMs, nextPageMs, inputMs, records, timeline, load } = result;
  const time = (name: string, ms: number, wanted: number) =>
    `${name.padEnd(24)} ${ms.toFixed(0)} ms (wanted: ${wanted} or less)`;
  const list = (
    name: string,
    { rows, seconds, requests, mostInDocument, heapMb, longestTask, tasksOver50 }: LongList,
  ) =>
    `${`${rows} ${name}`.padEnd(24)} ${mostInDocument} rows in the document (${WANTED.inDocument}), heap ${heapMb.toFixed(0)} MB (${WANTED.heapMb}), longest task ${longestTask.toFixed(0)} ms, ${tasksOver50} over ${WANTED.task} ms; ${seconds.toFixed(0)} s and ${requests} requests to its end`;
  return [
    `the list of ${files} files, slow processor and line; load of the machine ${load.toFixed(1)}`,
    time('list usable', usableMs, WANTED.usableMs),
    time('next page', nextPageMs, WANTED.nextPageMs),
    time('longest input', inputMs, WANTED.inputMs),
    list('records', records),
    list('timeline lines', timeline),
  ].join('\n');
}
