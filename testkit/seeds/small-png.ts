/** A PNG of one grey square, made here so that a test can spoil each part of it. */
import { crc32, deflateSync } from 'node:zlib';

export const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

export function pngChunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, sum]);
}

export function pngHeader(width: number, height: number): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set([8, 0, 0, 0, 0], 8);
  return pngChunk('IHDR', data);
}

export interface SmallPng {
  readonly width?: number;
  readonly height?: number;
  /** Chunks before the picture. */
  readonly between?: readonly Buffer[];
  readonly data?: Buffer;
}

export function smallPng({ width = 2, height = 2, between = [], data }: SmallPng = {}): Buffer {
  const pixels = data ?? deflateSync(Buffer.alloc(height * (width + 1)));
  return Buffer.concat([
    PNG_SIGNATURE,
    pngHeader(width, height),
    ...between,
    pngChunk('IDAT', pixels),
    pngChunk('IEND'),
  ]);
}

export function dataUrl(bytes: Buffer, type = 'image/png'): string {
  return `data:${type};base64,${bytes.toString('base64')}`;
}
