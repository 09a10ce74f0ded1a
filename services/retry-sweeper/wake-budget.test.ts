import { expect, test } from 'vitest';
import { createWakeBudget } from './wake-budget.ts';

test('saves up a quarter of a minute, refills evenly and pays back what was overspent', () => {
  let nowMs = 0;
  const budget = createWakeBudget(120, () => nowMs);
  expect(budget.left()).toBe(30);
  budget.spend(40);
  expect(budget.left()).toBe(0);
  nowMs += 5_000;
  expect(budget.left()).toBe(0);
  nowMs += 1_000;
  expect(budget.left()).toBe(2);
  nowMs += 3_600_000;
  expect(budget.left()).toBe(30);
});
