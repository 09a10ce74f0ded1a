/** The sending of a file, against an API and a store that are fakes: they keep parts by number and compare the whole. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Checksums } from './checksums.ts';

const PART_BYTES = 4;
const AGAIN_MS = 2_000;

/** As the worker has them: of all that was given under one name. */
function createFakeChecksums(): Checksums {
  const wholes = new Map<string, string[]>();
  const of = (text: string) => createHash('sha256').update(text).digest('base64');
  return {
    async ofPart(reading, piece) {
      const text = await piece.text();
      wholes.set(reading, [...(wholes.get(reading) ?? []), text]);
      return of(text);
    },
    ofWhole: async (reading) => of((wholes.get(reading) ?? []).join('')),
  };
}

/** What is asked of it, in order: `PUT 3`, `complete`. */
interface FakeStore {
  readonly parts: Map<number, string>;
  readonly asked: string[];
  /** The checksum of the whole, as often as it was said. */
  readonly completedWith: string[];
  /** Answers in place of the store and the API, where it gives one. */
  intercept: (what: string) => Response | Promise<Response> | undefined;
}

let store: FakeStore;
let sendFile: typeof import('./send-file.ts').sendFile;

beforeEach(async () => {
  store = { parts: new Map(), asked: [], completedWith: [], intercept: () => undefined };
  vi.stubGlobal('location', { pathname: '/portal/send' });
  vi.stubGlobal('navigator', { onLine: true });
  vi.stubGlobal('fetch', answer);
  ({ sendFile } = await import('./send-file.ts'));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function answer(path: string, { body }: { body: string | Blob }): Promise<Response> {
  const put = /^\/store\/(\d+)$/.exec(path)?.[1];
  const what = put === undefined ? (path.split('/').at(-1) ?? '') : `PUT ${put}`;
  store.asked.push(what);
  const instead = await store.intercept(what);
  if (instead !== undefined) return instead;
  if (put !== undefined) {
    store.parts.set(Number(put), await (body as Blob).text());
    return new Response();
  }
  const given = JSON.parse(body as string);
  if (what === 'urls')
    return Response.json({ urls: given.parts.map(({ part }: { part: number }) => ({ url: `/store/${part}` })) });
  if (what === 'complete') {
    store.completedWith.push(given.crc64nvme);
    return Response.json({ state: 'completed', file_id: 'f' });
  }
  const count = Math.ceil(given.size / PART_BYTES);
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter((part) => !store.parts.has(part));
  return Response.json({ upload_id: 'u', state: 'open', part_size: PART_BYTES, parts: count, missing });
}

/** Waits of seconds pass at once, until `work` has ended; what is not a wait takes its time. */
async function skippingWaits<Result>(work: Promise<Result>): Promise<Result> {
  let isOver = false;
  const over = work.finally(() => (isOver = true)).catch(() => {});
  while (!isOver) {
    await vi.advanceTimersByTimeAsync(AGAIN_MS);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await over;
  return await work;
}

const file = new File(['one-two-three-four'], 'orders.csv', { lastModified: 1 });
const checksumOf = async (whole: Blob) =>
  createHash('sha256')
    .update(await whole.text())
    .digest('base64');
const contentOf = () =>
  [...store.parts.entries()]
    .sort(([a], [b]) => a - b)
    .map(([, text]) => text)
    .join('');

function send(checksums: Checksums, more: Partial<Parameters<typeof sendFile>[0]> = {}) {
  return sendFile({
    file,
    directory: 'inbound',
    checksums,
    onBegin: async () => {},
    onProgress: () => {},
    onWait: () => {},
    signal: new AbortController().signal,
    ...more,
  });
}

test('sends every part, and says the checksum of the whole', async () => {
  const progress: number[] = [];
  await send(createFakeChecksums(), { onProgress: (bytes) => progress.push(bytes) });
  expect(contentOf()).toBe('one-two-three-four');
  expect(store.completedWith).toEqual([await checksumOf(file)]);
  expect(progress.at(-1)).toBe(file.size);
});

test('sends nothing before it is noted', async () => {
  let noted = () => {};
  const sent = send(createFakeChecksums(), { onBegin: () => new Promise((resolve) => (noted = resolve)) });
  await vi.waitFor(() => expect(store.asked).toEqual(['uploads']));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(store.asked).toEqual(['uploads']);
  noted();
  await sent;
  expect(contentOf()).toBe('one-two-three-four');
});

test('sends only the parts that are missing', async () => {
  store.parts.set(1, 'one-').set(3, 'hree');
  await send(createFakeChecksums());
  expect(store.asked.filter((what) => what.startsWith('PUT'))).toEqual(['PUT 2', 'PUT 4', 'PUT 5']);
  expect(store.completedWith).toEqual([await checksumOf(file)]);
});

test('a second try in the same page says the checksum of the file, and not of both tries', async () => {
  const checksums = createFakeChecksums();
  store.intercept = (what) =>
    what === 'urls' ? Response.json({ code: 'FORBIDDEN', message: 'x' }, { status: 403 }) : undefined;
  await expect(send(checksums)).rejects.toThrow('x');
  store.intercept = () => undefined;
  await send(checksums);
  expect(store.completedWith).toEqual([await checksumOf(file)]);
});

test('two that send the same file at once say the checksum of the file', async () => {
  const checksums = createFakeChecksums();
  await Promise.all([send(checksums), send(checksums)]);
  expect(store.completedWith).toEqual(Array(2).fill(await checksumOf(file)));
});

test.each(['urls', 'complete'])('an upload that another one completed meanwhile is sent, seen at %s', async (where) => {
  const ended = () => Response.json({ code: 'UPLOAD_ENDED', message: 'ended' }, { status: 409 });
  let isCompleted = false;
  store.intercept = (what) => {
    if (what === where) {
      isCompleted = true;
      return ended();
    }
    return what === 'uploads' && isCompleted
      ? Response.json({ upload_id: 'u', state: 'completed', file_id: 'other' })
      : undefined;
  };
  expect(await send(createFakeChecksums())).toMatchObject({ state: 'completed', file_id: 'other' });

  store.intercept = (what) => (what === where ? ended() : undefined);
  await expect(send(createFakeChecksums())).rejects.toThrow('ended');
});

test('a part that the store refuses is sent again, and a store that refuses it five times ends the try', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  store.intercept = (what) =>
    what === 'PUT 2' && store.asked.filter((each) => each === what).length < 3
      ? new Response('', { status: 503 })
      : undefined;
  await skippingWaits(send(createFakeChecksums()));
  expect(store.asked.filter((what) => what === 'PUT 2')).toHaveLength(3);
  expect(contentOf()).toBe('one-two-three-four');

  store.parts.clear();
  store.intercept = (what) => (what === 'PUT 1' ? new Response('', { status: 403 }) : undefined);
  await expect(skippingWaits(send(createFakeChecksums()))).rejects.toThrow('403');
});

test('waits for an API that is away and for a session that ended, and says which', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const answers = [
    () => Promise.reject(new TypeError('failed to fetch')),
    () => Response.json({ code: 'UNAUTHENTICATED', message: 'x' }, { status: 401 }),
  ];
  store.intercept = (what) => (what === 'complete' ? answers.shift()?.() : undefined);
  const words: (string | undefined)[] = [];
  await skippingWaits(send(createFakeChecksums(), { onWait: (why) => words.push(why) }));
  expect(words.filter((word) => word !== undefined)).toEqual([
    'Waiting for the connection.',
    'Sign in again, and it continues.',
  ]);
  expect(store.completedWith).toEqual([await checksumOf(file)]);
});

test('ends when it is stopped, while it waits too', async () => {
  const stop = new AbortController();
  store.intercept = (what) => (what === 'PUT 1' ? new Response('', { status: 503 }) : undefined);
  const sent = expect(send(createFakeChecksums(), { signal: stop.signal })).rejects.toThrow('away');
  await vi.waitFor(() => expect(store.asked).toContain('PUT 1'));
  stop.abort(new Error('away'));
  await sent;
});
