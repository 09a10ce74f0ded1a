/** Multipart copies through a store that does wrong: what is copied, what is left of it, and the log that the database keeps in the fleet. */
import type { FinishedPart, LeftTransfer, TransferLog } from '#shared/files/copies/transfer-log.ts';
import type { MultipartCopyRequest } from '#shared/files/object-store.ts';
import { type FaultyStore, readWhole, startFaultyStore } from './faulty-store-bed.ts';

/** What is proved of parts holds of small ones: the 5 MiB are the rule of S3. What has less than 1 MiB goes in one request. */
export const PART = 1024 ** 2;

export interface MultipartBed extends FaultyStore {
  land(bytes: Buffer): Promise<MultipartCopyRequest>;
  readTarget(request: MultipartCopyRequest): Promise<Buffer>;
  openUploads(request: MultipartCopyRequest): Promise<number>;
  versions(request: MultipartCopyRequest): Promise<number>;
  /** No fault from now on. */
  calm(): void;
}

export async function startMultipartBed(): Promise<MultipartBed> {
  const bed = await startFaultyStore({ partBytes: PART });
  const { direct, proxy } = bed;
  let names = 0;
  return {
    ...bed,
    async land(bytes) {
      names += 1;
      const key = `file-${names}`;
      const { versionId, etag, checksums } = await direct.put({ target: { bucket: 'here', key }, body: bytes });
      return {
        source: { bucket: 'here', key, versionId, etag },
        target: { bucket: 'there', key },
        replace: { metadata: { 'longshore-key': key } },
        sizeBytes: bytes.length,
        jobId: key,
        checksums,
        checksumAlgorithm: 'CRC64NVME',
      };
    },
    readTarget: ({ target }) => readWhole(direct, target),
    async openUploads({ target }) {
      const { items } = await direct.listMultipartUploads({ bucket: target.bucket, prefix: target.key });
      return items.length;
    },
    async versions({ target }) {
      return (await direct.listVersions({ bucket: target.bucket, prefix: target.key })).items.length;
    },
    calm() {
      proxy.spoil(() => undefined);
      proxy.onAnswered(undefined);
    },
  };
}

/** Keeps in memory what the database keeps in the fleet. */
export function memoryLog(): TransferLog & { readonly states: string[]; readonly written: FinishedPart[] } {
  const written: FinishedPart[] = [];
  const states: string[] = [];
  let left: Omit<LeftTransfer, 'parts'> | undefined;
  return {
    written,
    states,
    begin: async () => left && { ...left, parts: [...written] },
    created: async (facts, uploadId) => {
      written.length = 0;
      left = { ...facts, uploadId, isAborting: false };
      states.push('COPYING');
    },
    progress: async ({ parts }) => void written.push(...parts),
    found: async () => void states.push('DONE'),
    completing: async () => void states.push('COMPLETING'),
    aborting: async () => {
      left = left && { ...left, isAborting: true };
      states.push('ABORTING');
    },
    done: async () => void states.push('DONE'),
    aborted: async () => {
      left = undefined;
      states.push('ABORTED');
    },
  };
}
