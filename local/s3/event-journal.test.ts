import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EventJournal, type ObjectCreated, openEventJournal } from '#local/s3/event-journal.ts';

function objectCreated(key: string): ObjectCreated {
  return {
    id: crypto.randomUUID(),
    time: '2026-01-01T00:00:00.000Z',
    bucket: 'landing',
    key,
    size: 3,
    etag: 'e',
    versionId: 'v1',
    sequencer: '00',
    reason: 'PutObject',
    requester: 'tester',
  };
}

describe('the event journal', () => {
  let directory: string;
  let writer: EventJournal;
  let reader: EventJournal;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'longshore-journal-'));
    writer = openEventJournal(directory);
    reader = openEventJournal(directory);
  });
  afterEach(() => {
    writer.close();
    reader.close();
    rmSync(directory, { recursive: true });
  });

  it('gives entries in the order of their writing until they are removed', () => {
    for (const key of ['a', 'b', 'c']) writer.append(objectCreated(key));
    expect(reader.read(2).map((entry) => entry.key)).toEqual(['a', 'b']);
    const [first, second] = reader.read(2);
    reader.remove([first!.position, second!.position]);
    expect(reader.read(10).map((entry) => entry.key)).toEqual(['c']);
  });

  it('reads on after a position without removing anything', () => {
    for (const key of ['a', 'b', 'c']) writer.append(objectCreated(key));
    const [first] = reader.read(1);
    expect(reader.read(10, first!.position).map((entry) => entry.key)).toEqual(['b', 'c']);
  });

  it('never uses a position again once the journal was emptied and opened anew', () => {
    writer.append(objectCreated('a'));
    const [first] = reader.read(1);
    reader.remove([first!.position]);
    reader.close();
    reader = openEventJournal(directory);
    writer.append(objectCreated('b'));
    expect(reader.read(1, first!.position).map((entry) => entry.key)).toEqual(['b']);
  });

  it('wakes a waiting reader when another connection writes', async () => {
    const waiting = reader.waitForEntries(AbortSignal.timeout(60_000));
    writer.append(objectCreated('late'));
    expect(await waiting).toBe(true);
  });

  it('ends the wait when told to', async () => {
    const controller = new AbortController();
    const waiting = reader.waitForEntries(controller.signal);
    controller.abort();
    expect(await waiting).toBe(false);
  });
});
