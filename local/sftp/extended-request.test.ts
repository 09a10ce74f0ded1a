import { describe, expect, it } from 'vitest';
import { parsePosixRename } from './extended-request.ts';

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

describe('the data of posix-rename', () => {
  it('are two names', () => {
    expect(parsePosixRename(Buffer.concat([text('/a'), text('/ü')]))).toEqual({ from: '/a', to: '/ü' });
  });

  it.each([
    ['nothing', undefined],
    ['no bytes', Buffer.alloc(0)],
    ['one name', text('/a')],
    ['a length behind the end', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x61])],
    ['a second length behind the end', Buffer.concat([text('/a'), Buffer.from([0, 0, 0, 9, 0x61])])],
    ['something behind the second name', Buffer.concat([text('/a'), text('/b'), Buffer.from([0])])],
  ])('are refused when they are %s', (_, data) => {
    expect(parsePosixRename(data)).toBeUndefined();
  });
});
