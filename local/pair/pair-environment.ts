/** What a home of a pair has in its environment, next to what every fleet has. */
import { portsFrom } from '#local/ports.ts';
import { BUCKET_IDS, bucketName } from '#shared/runtime/config/resource-names.ts';
import type { Pair } from './choose-role.ts';

/** As in a pair of regions: rows name the buckets of the first home, and the second has their replicas. */
const PREFIXES = { first: 'longshore', second: 'longshore-standby' };

export function pairEnvironment({ place }: Pair): Record<string, string> {
  const own = PREFIXES[place];
  return { LONGSHORE_PREFIX: own, ...(own !== PREFIXES.first && { LONGSHORE_RECORDED_PREFIX: PREFIXES.first }) };
}

/** Of the S3 server: what is written here goes to the other home, whoever leads. */
export function replicationEnvironment(
  { place, peer, replicaDelayMs = 0 }: Pair,
  host: string,
): Record<string, string> {
  const [own, other] = place === 'first' ? [PREFIXES.first, PREFIXES.second] : [PREFIXES.second, PREFIXES.first];
  return {
    LONGSHORE_S3_REPLICA_ENDPOINT: `http://${host}:${portsFrom(peer.portBase).s3}`,
    LONGSHORE_S3_REPLICAS: BUCKET_IDS.map((id) => `${bucketName(own, id)}=${bucketName(other, id)}`).join(','),
    LONGSHORE_S3_REPLICA_DELAY_MS: String(replicaDelayMs),
  };
}
