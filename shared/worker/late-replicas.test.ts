import { expect, test } from 'vitest';
import { awaitReplica, createLateReplicas } from './late-replicas.ts';

const NOW = Date.parse('2026-01-02T03:04:05Z');
const GONE = {
  type: 'failed',
  code: 'STAGING_ERROR',
  cause: 'SOURCE_GONE',
  message: 'It is no longer there.',
} as const;
const FAILED_OVER = { LONGSHORE_PREFIX: 'ls-standby', LONGSHORE_RECORDED_PREFIX: 'ls' };
const replicasOf = (config: object) => createLateReplicas(config, { afterMs: 30_000, now: () => NOW });
const ago = (hours: number) => new Date(NOW - hours * 3_600_000);

test('after a failover an object that is not there is waited for, for a day', () => {
  const replicas = replicasOf(FAILED_OVER);
  const wait = { type: 'wait', afterMs: 30_000, reason: 'REPLICA_AWAITED' };
  expect(awaitReplica(GONE, replicas, ago(1))).toEqual(wait);
  expect(awaitReplica({ ...GONE, cause: 'DESTINATION_GONE' }, replicas, ago(1))).toEqual(wait);
  expect(awaitReplica(GONE, replicas, ago(25))).toBe(GONE);
});

test('other failures stay, and so does each in a home whose buckets rows name', () => {
  const mismatch = { ...GONE, cause: 'SIZE_MISMATCH' } as const;
  expect(awaitReplica(mismatch, replicasOf(FAILED_OVER), ago(1))).toBe(mismatch);
  for (const config of [{ LONGSHORE_PREFIX: 'ls' }, { LONGSHORE_PREFIX: 'ls', LONGSHORE_RECORDED_PREFIX: 'ls' }])
    expect(awaitReplica(GONE, replicasOf(config), ago(1))).toBe(GONE);
});
