/** One file as a zip, written as it is read: memory does not depend on its size. */
import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';

const FILE_MODE = 0o100644;

/** `at`: the same for every try, so that each gives the same bytes. Whatever `bytes` throws comes through unchanged. */
export async function* zipOf(
  bytes: AsyncIterable<Uint8Array>,
  { name, at }: { readonly name: string; readonly at: Date },
): AsyncGenerator<Uint8Array> {
  const zip = new ZipFile();
  const source = Readable.from(bytes, { objectMode: false });
  const output = zip.outputStream as Readable;
  source.once('error', (error) => output.destroy(error));
  zip.once('error', (error: Error) => output.destroy(error));
  zip.addReadStream(source, name, { mtime: at, mode: FILE_MODE });
  zip.end();
  try {
    yield* output;
  } finally {
    source.destroy();
    output.destroy();
  }
}
