/** Where an object's bytes are. Every read, copy and delete of a file carries the version id. */
export interface ObjectLocation {
  readonly bucket: string;
  readonly key: string;
  /** Absent only for stores without versioning. */
  readonly versionId?: string | undefined;
  readonly sizeBytes: number;
  readonly etag?: string | undefined;
}
