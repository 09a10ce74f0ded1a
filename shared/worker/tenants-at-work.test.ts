import { expect, it } from 'vitest';
import { TenantsAtWork } from './tenants-at-work.ts';

it('knows of several tenants while their work overlaps, and for a second after', async () => {
  let nowMs = 0;
  const tenants = new TenantsAtWork(() => nowMs);
  const flood = Promise.withResolvers<void>();
  const flooding = [tenants.during('mallory', () => flood.promise), tenants.during('mallory', () => flood.promise)];
  expect(tenants.areSeveral).toBe(false);

  await tenants.during('acme', async () => {
    expect(tenants.areSeveral).toBe(true);
  });
  nowMs = 999;
  expect(tenants.areSeveral).toBe(true);
  nowMs = 1_000;
  expect(tenants.areSeveral).toBe(false);

  flood.resolve();
  await Promise.all(flooding);
  expect(tenants.areSeveral).toBe(false);
});
