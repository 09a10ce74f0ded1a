/** Files whose bytes a test knows: made, and turned into what the checker compares with. */
import { createHash, randomBytes } from 'node:crypto';
import type { KnownFile } from '#testkit/checks/find-bucket-violations.ts';

export interface TestFile {
  /** In the tenant's directory, without a leading `/`. */
  readonly path: string;
  readonly body: Buffer;
}

/** Of random bytes, so that no two are the same by chance. */
export function makeFile(path: string, sizeBytes: number): TestFile {
  return { path, body: randomBytes(sizeBytes) };
}

/** `count` small files of up to 4 KB, `<directory>/<label>-0001.bin` and so on. */
export function makeFiles(count: number, directory: string, label: string): TestFile[] {
  return Array.from({ length: count }, (_, index) =>
    makeFile(`${directory}/${label}-${String(index + 1).padStart(4, '0')}.bin`, 1 + ((index * 131) % 4_096)),
  );
}

/** By the key in the landing bucket, as the gateway makes it: names in NFC. */
export function knownFiles(tenant: string, files: readonly TestFile[]): Map<string, KnownFile> {
  return new Map(
    files.map(({ path, body }) => [
      `${tenant}/${path.normalize('NFC')}`,
      { sha256: createHash('sha256').update(body).digest('hex'), sizeBytes: body.length },
    ]),
  );
}
