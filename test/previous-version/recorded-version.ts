/** What is kept of a version: rows of all its tables, messages and objects of a fleet that was stopped in the middle of its work. */

export interface RecordedVersion {
  readonly version: string;
  /** The last migration that it had. */
  readonly migration: string;
  readonly recordedAt: string;
  readonly prefix: string;
  /** Of the partner that its calls went to. */
  readonly partnerUrl: string;
  readonly tables: Readonly<Record<string, readonly object[]>>;
  readonly messages: readonly RecordedMessage[];
  readonly objects: readonly RecordedObject[];
  /** What that version itself made of every file, by its key. */
  readonly ends: Readonly<Record<string, string>>;
}

export interface RecordedMessage {
  readonly queue: string;
  readonly body: string;
  readonly groupId?: string;
}

export interface RecordedObject {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
  readonly contentType?: string;
  /** Base 64. */
  readonly body: string;
}

export const RECORDING = new URL('recorded-version.json', import.meta.url);
