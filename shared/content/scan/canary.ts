/**
 * A zip whose last entry is the EICAR test file, behind as many bytes as a route lets through: a scanner that does not find it has no
 * signatures, or limits below what it is asked for. What is beyond a limit of clamd passes unread.
 */
import { crc32 } from 'node:zlib';
import { EICAR } from './eicar.ts';

const PIECE_BYTES = 64 * 1_024;

/** About `sizeBytes` long; never shorter than EICAR and its frame. */
export async function* canary(sizeBytes: number): AsyncGenerator<Uint8Array> {
  const eicar = Buffer.from(EICAR);
  const paddingBytes = Math.max(0, sizeBytes - FRAME_BYTES - eicar.length);
  const piece = Buffer.alloc(PIECE_BYTES);
  let crc = 0;
  for (let left = paddingBytes; left > 0; left -= piece.length)
    crc = crc32(left < piece.length ? piece.subarray(0, left) : piece, crc);
  const padding = { name: 'padding', sizeBytes: paddingBytes, crc, offset: 0 };
  const first = localHeader(padding);
  yield first;
  for (let left = paddingBytes; left > 0; left -= piece.length)
    yield left < piece.length ? piece.subarray(0, left) : piece;
  const found = { name: 'eicar', sizeBytes: eicar.length, crc: crc32(eicar), offset: first.length + paddingBytes };
  const second = localHeader(found);
  yield second;
  yield eicar;
  const directory = Buffer.concat([directoryEntry(padding), directoryEntry(found)]);
  const at = found.offset + second.length + eicar.length;
  yield Buffer.concat([directory, endOfDirectory(directory.length, at)]);
}

interface Entry {
  readonly name: string;
  readonly sizeBytes: number;
  readonly crc: number;
  readonly offset: number;
}

/** Both headers, both entries of the directory, and its end. */
const FRAME_BYTES = 2 * 30 + 2 * 46 + 22 + 4 * 'padding'.length;

function localHeader({ name, sizeBytes, crc }: Entry): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(sizeBytes, 18);
  header.writeUInt32LE(sizeBytes, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name)]);
}

function directoryEntry({ name, sizeBytes, crc, offset }: Entry): Buffer {
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(20, 4);
  entry.writeUInt16LE(20, 6);
  entry.writeUInt32LE(crc, 16);
  entry.writeUInt32LE(sizeBytes, 20);
  entry.writeUInt32LE(sizeBytes, 24);
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt32LE(offset, 42);
  return Buffer.concat([entry, Buffer.from(name)]);
}

function endOfDirectory(sizeBytes: number, offset: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(2, 8);
  end.writeUInt16LE(2, 10);
  end.writeUInt32LE(sizeBytes, 12);
  end.writeUInt32LE(offset, 16);
  return end;
}
