/** For tests of steps: records of one job in memory, with what a step asked of them. */
import type { InsertedRecords, NewRecord, RecordResult, RecordStore } from '#shared/steps/record-store.ts';

export interface MemoryRecordStore extends RecordStore {
  /** By line. */
  readonly records: Map<number, NewRecord & { readonly isDuplicate: boolean }>;
  /** Lines of each insert. */
  readonly inserts: (readonly number[])[];
  mostUnderWay: number;
  /** Called within each insert, before it is stored. */
  onInsert: (() => Promise<void> | void) | undefined;
  released: boolean;
  openRecords: number;
  isPaused: boolean;
  opened: number;
  /** What the calls came to; rejected rows are there anyway. */
  readonly ended: RecordResult[];
}

/** `keys`: business keys of records that other jobs carried. */
export function createMemoryRecordStore(keys: readonly string[] = []): MemoryRecordStore {
  const held = new Map<string, number>(keys.map((key) => [key, 0]));
  let underWay = 0;

  function counts(of: Iterable<NewRecord & { isDuplicate: boolean }>): InsertedRecords {
    const all = [...of];
    const rejected = all.filter((record) => record.rejected !== undefined).length;
    const duplicates = all.filter((record) => record.isDuplicate).length;
    return { accepted: all.length - rejected - duplicates, rejected, duplicates };
  }

  function take(record: NewRecord) {
    const { businessKey, line } = record;
    const isDuplicate = businessKey !== null && (held.get(businessKey) ?? line) !== line;
    if (businessKey !== null && !isDuplicate) held.set(businessKey, line);
    const taken = { ...record, isDuplicate };
    store.records.set(line, taken);
    return taken;
  }

  function ended(): RecordResult[] {
    const rejected = [...store.records.values()].flatMap(({ line, businessKey, rejected }) =>
      rejected === undefined
        ? []
        : [{ line, businessKey, state: 'REJECTED', code: 'PARSE_ERROR', reference: null, ...rejected }],
    );
    return [...rejected, ...store.ended].sort((one, other) => one.line - other.line);
  }

  const store: MemoryRecordStore = {
    records: new Map(),
    inserts: [],
    mostUnderWay: 0,
    onInsert: undefined,
    released: false,
    openRecords: 0,
    isPaused: false,
    opened: 0,
    ended: [],
    findLineBefore: async (rows) => [...store.records.keys()].sort((one, other) => other - one)[rows] ?? 0,
    count: async () => counts(store.records.values()),
    async insert(records) {
      underWay += 1;
      store.mostUnderWay = Math.max(store.mostUnderWay, underWay);
      try {
        await store.onInsert?.();
        store.inserts.push(records.map(({ line }) => line));
        return counts(records.filter(({ line }) => !store.records.has(line)).map(take));
      } finally {
        underWay -= 1;
      }
    },
    async discardAccepted() {
      for (const [line, record] of store.records) if (record.rejected === undefined) store.records.delete(line);
    },
    async discardAll() {
      store.records.clear();
      held.clear();
      for (const key of keys) held.set(key, 0);
    },
    isReleased: async () => store.released,
    async open() {
      store.opened += 1;
      return { openRecords: store.openRecords, isPaused: store.isPaused };
    },
    async summarise() {
      const byState: Record<string, number> = {};
      const byCode: Record<string, number> = {};
      for (const { state, code, cause } of ended()) {
        byState[state] = (byState[state] ?? 0) + 1;
        if (code !== null) byCode[`${code} ${cause}`] = (byCode[`${code} ${cause}`] ?? 0) + 1;
      }
      return { byState, byCode, durationMs: 1 };
    },
    results: async (afterLine, limit) =>
      ended()
        .filter(({ line }) => line > afterLine)
        .slice(0, limit),
  };
  return store;
}
