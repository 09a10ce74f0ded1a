/**
 * Files whose sending was not ended, kept in this browser: a page that is opened again says which ones to choose again.
 *
 * 1. What is noted is on disk: a browser that is closed the next moment does not lose it.
 * 2. A browser that keeps nothing, as some do in private windows, or does not answer, sends files all the same.
 */
export interface Unfinished {
  readonly uploadId: string;
  readonly name: string;
  readonly directory: string;
  readonly size: number;
}

const DATABASE = 'longshore-uploads';
const STORE = 'unfinished';
/** A disk in use takes seconds; some browsers never answer the first question. */
const LONGEST_MS = 15_000;

export async function listUnfinished(): Promise<readonly Unfinished[]> {
  return (await tried(inStore('readonly', (store) => store.getAll() as IDBRequest<Unfinished[]>))) ?? [];
}

export async function noteUnfinished(upload: Unfinished): Promise<void> {
  await tried(inStore('readwrite', (store) => store.put(upload)));
}

export async function removeUnfinished(uploadId: string): Promise<void> {
  await tried(inStore('readwrite', (store) => store.delete(uploadId)));
}

async function tried<Result>(work: Promise<Result>): Promise<Result | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, LONGEST_MS, undefined);
  });
  return await Promise.race([work.catch(() => undefined), tooLong]).finally(() => clearTimeout(timer));
}

/** Resolves once it is on disk. */
async function inStore<Result>(
  mode: IDBTransactionMode,
  act: (store: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'uploadId' });
  const database = await ended(opening);
  try {
    const transaction = database.transaction(STORE, mode, { durability: 'strict' });
    const committed = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB failed'));
    });
    const [result] = await Promise.all([ended(act(transaction.objectStore(STORE))), committed]);
    return result;
  } finally {
    database.close();
  }
}

function ended<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}
