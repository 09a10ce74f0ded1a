import { expect, test } from 'vitest';
import { GroupCommit } from './group-commit.ts';

function recorder(options: { maxItems?: number; maxWaiting?: number; isFailing?: boolean } = {}) {
  const groups: number[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const commit = new GroupCommit<number, string>({
    name: 'test',
    ...options,
    run: async (items) => {
      groups.push([...items]);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
      if (options.isFailing) throw new Error('lost');
      return items.map((item) => `stored ${item}`);
    },
  });
  return { commit, groups, openGate: (index: number) => gates[index]?.resolve() };
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 2_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test('what is added within the delay is written together, and each caller gets its own result', async () => {
  const { commit, groups, openGate } = recorder();
  const results = Promise.all([commit.add(1), commit.add(2), commit.add(3)]);
  await until(() => groups.length === 1);
  openGate(0);
  expect(await results).toEqual(['stored 1', 'stored 2', 'stored 3']);
  expect(groups).toEqual([[1, 2, 3]]);
});

test('while a statement is under way, everything else gathers for the next one', async () => {
  const { commit, groups, openGate } = recorder();
  const first = commit.add(1);
  await until(() => groups.length === 1);
  const rest = Promise.all([2, 3, 4, 5].map((item) => commit.add(item)));
  openGate(0);
  await first;
  await until(() => groups.length === 2);
  openGate(1);
  await rest;
  expect(groups).toEqual([[1], [2, 3, 4, 5]]);
});

test('a full group leaves at once and a group is never larger than the bound', async () => {
  const { commit, groups, openGate } = recorder({ maxItems: 2 });
  const results = Promise.all([1, 2, 3].map((item) => commit.add(item)));
  await until(() => groups.length === 1);
  openGate(0);
  await until(() => groups.length === 2);
  openGate(1);
  await results;
  expect(groups).toEqual([[1, 2], [3]]);
});

test('an error of the statement reaches every caller of its group', async () => {
  const { commit, groups, openGate } = recorder({ isFailing: true });
  const results = Promise.allSettled([commit.add(1), commit.add(2)]);
  await until(() => groups.length === 1);
  openGate(0);
  expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

test('past the bound of what may wait, an item is refused and the others are stored', async () => {
  const { commit, groups, openGate } = recorder({ maxWaiting: 1 });
  const first = commit.add(1);
  await expect(commit.add(2)).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' });
  await until(() => groups.length === 1);
  openGate(0);
  expect(await first).toBe('stored 1');
});

test('flush writes what waits and resolves after it', async () => {
  const { commit, groups, openGate } = recorder();
  const added = commit.add(1);
  const flushed = commit.flush();
  await until(() => groups.length === 1);
  openGate(0);
  await flushed;
  expect(await added).toBe('stored 1');
});
