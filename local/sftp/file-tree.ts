/**
 * A user's tree as files and directories over the object store: everything but the bytes of open files.
 *
 * 1. A directory is there when its marker (`name/`, no bytes, as AWS Transfer Family makes it) or anything below it is, or when a
 *    route of the tenant names it.
 * 2. `remove` leaves a delete marker, so that a job that already took the file still reads its version. `rename` takes away
 *    the very version that it copied, so that nothing written meanwhile is lost.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import type { Attributes } from 'ssh2';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { SINGLE_COPY_LIMIT_BYTES } from '#shared/files/object-store.ts';
import { createDirectoryListing, type DirectoryListing } from './directory-listing.ts';
import { directoryAttributes, fileAttributes } from './file-attributes.ts';
import { deleteObject, headObject, type ObjectHead, probePrefix, putObject, storeFault } from './object-store.ts';
import { conflict, denied, noSuchFile, unsupported } from './sftp-fault.ts';
import type { Location, UserRoot } from './user-root.ts';

type Node =
  | { readonly kind: 'file'; readonly location: Location; readonly head: ObjectHead }
  | { readonly kind: 'directory'; readonly location: Location }
  | { readonly kind: 'nothing'; readonly location: Location };

export interface FileTree {
  look(location: Location): Promise<Node>;
  attributes(rawPath: string): Promise<Attributes>;
  list(rawPath: string): Promise<DirectoryListing>;
  makeDirectory(rawPath: string): Promise<Location>;
  removeDirectory(rawPath: string): Promise<Location>;
  removeFile(rawPath: string): Promise<Location>;
  /** @throws SftpFault `NAME_TAKEN` when the new name is in use and `mayReplace` is false. */
  rename(rawFrom: string, rawTo: string, mayReplace: boolean): Promise<{ from: Location; to: Location }>;
}

export interface FileTreeOptions {
  readonly client: S3Client;
  readonly root: UserRoot;
  /** User metadata of what the gateway writes. */
  readonly metadata: Record<string, string>;
}

export function createFileTree({ client, root, metadata }: FileTreeOptions): FileTree {
  const objects = createObjectStore({ client });

  async function look(location: Location): Promise<Node> {
    if (location.isRoot) return { kind: 'directory', location };
    const head = await headObject(client, location);
    if (head !== undefined) return { kind: 'file', location, head };
    const isDirectory = (await probePrefix(client, location)) !== 'nothing' || root.standingIn(location) !== undefined;
    return { kind: isDirectory ? 'directory' : 'nothing', location };
  }

  async function copy({ location, head }: Extract<Node, { kind: 'file' }>, to: Location): Promise<void> {
    const { bucket, key } = location;
    const request = { source: { bucket, key, versionId: head.versionId }, target: { bucket: to.bucket, key: to.key } };
    try {
      if (head.sizeBytes <= SINGLE_COPY_LIMIT_BYTES) await objects.copy(request);
      else
        await objects.copyMultipart({ ...request, sizeBytes: head.sizeBytes, jobId: `rename-${crypto.randomUUID()}` });
    } catch (error) {
      throw storeFault(error);
    }
  }

  return {
    look,
    async attributes(rawPath) {
      const node = await look(root.locate(rawPath));
      const { isWritable } = node.location;
      if (node.kind === 'nothing') throw noSuchFile();
      if (node.kind === 'directory') return directoryAttributes({ isWritable });
      return fileAttributes({ ...node.head, isWritable });
    },
    async list(rawPath) {
      const node = await look(root.locate(rawPath));
      if (node.kind !== 'directory') throw noSuchFile();
      return createDirectoryListing(client, node.location, root.standingIn(node.location));
    },
    async makeDirectory(rawPath) {
      const location = root.locateForWriting(rawPath);
      const below = await probePrefix(client, location);
      // A script that makes its directories keeps doing so where a route names them already.
      if (below !== 'nothing') throw conflict('a directory of that name exists');
      if ((await headObject(client, location)) !== undefined) throw conflict('a file of that name exists');
      await putObject(client, markerOf(location), Buffer.alloc(0), metadata);
      return location;
    },
    async removeDirectory(rawPath) {
      const location = root.locateForWriting(rawPath);
      const below = await probePrefix(client, location);
      if (below === 'nothing' && root.standingIn(location) !== undefined) throw denied('a route needs this directory');
      if (below === 'nothing') throw noSuchFile();
      if (below === 'entries') throw conflict('the directory is not empty');
      const marker = await headObject(client, markerOf(location));
      if (marker !== undefined) await deleteObject(client, markerOf(location), marker.versionId);
      return location;
    },
    async removeFile(rawPath) {
      const node = await look(root.locateForWriting(rawPath));
      if (node.kind === 'nothing') throw noSuchFile();
      if (node.kind === 'directory') throw unsupported('this is a directory; use rmdir');
      await deleteObject(client, node.location);
      return node.location;
    },
    async rename(rawFrom, rawTo, mayReplace) {
      const from = root.locateForWriting(rawFrom);
      const to = root.locateForWriting(rawTo);
      const [source, target] = await Promise.all([look(from), look(to)]);
      if (source.kind === 'nothing') throw noSuchFile();
      if (source.kind === 'directory')
        throw unsupported('directories cannot be renamed; make a new one and move the files');
      if (from.key === to.key) return { from, to };
      if (target.kind === 'directory') throw conflict('a directory of the new name exists');
      if (target.kind === 'file' && !mayReplace) throw conflict('a file of the new name exists');
      await copy(source, to);
      await deleteObject(client, from, source.head.versionId);
      return { from, to };
    },
  };
}

function markerOf({ bucket, prefix }: Location): { bucket: string; key: string } {
  return { bucket, key: prefix };
}

const PATTERN = /[*?[{]/;

export function routeDirectories(globs: readonly string[]): string[] {
  return [...new Set(globs.map(directoryOf))].filter((directory) => directory !== '');
}

function directoryOf(glob: string): string {
  const names = glob.split('/');
  const first = names.findIndex((name) => PATTERN.test(name));
  return names.slice(0, first === -1 ? -1 : first).join('/');
}
