import { expect, test } from 'vitest';
import { addressHash } from './mail-address.ts';
import { readUnsubscribeToken, writeUnsubscribeToken } from './unsubscribe-token.ts';

const LINK = {
  campaignId: '0198c0de-0000-7000-8000-000000000001',
  line: 1_000_001,
  addressHash: addressHash('ada@example.com'),
  from: { tenantId: 'globex-bank', topic: 'newsletter', isMarketing: true },
};
const SECRET = 'of links';
/** Written before links said what they unsubscribe from. */
const OF_FIRST_VERSION =
  'AQGYwN4AAHAAgAAAAAAAAAEAAAAPQkG1_IXlV1X54NAwoQq0QptrKUSFX5oNYAd_6DK-y8QdcmgEvtiEYcwN1zGRvAGHKXsP_A';

test('a token says which message of which campaign, and from what, and is short enough for every mail client', () => {
  const token = writeUnsubscribeToken(LINK, SECRET);
  expect(readUnsubscribeToken(token, [SECRET])).toEqual(LINK);
  expect(token).toMatch(/^[\w-]{1,140}$/);
  const name = 'x'.repeat(63);
  const longest = { ...LINK, from: { tenantId: name, topic: name, isMarketing: false } };
  expect(readUnsubscribeToken(writeUnsubscribeToken(longest, SECRET), [SECRET])).toEqual(longest);
});

test('a token signed by any of the keys is read', () => {
  const token = writeUnsubscribeToken(LINK, SECRET);
  expect(readUnsubscribeToken(token, ['the new key', SECRET])).toEqual(LINK);
  expect(readUnsubscribeToken(token, ['the new key'])).toBeUndefined();
});

test('a token of the first version names its campaign alone', () => {
  const { from: _from, ...link } = LINK;
  expect(readUnsubscribeToken(OF_FIRST_VERSION, [SECRET])).toEqual(link);
});

test('a token with any byte changed, cut, lengthened, or signed by another key is refused', () => {
  const token = writeUnsubscribeToken(LINK, SECRET);
  const bytes = Buffer.from(token, 'base64url');
  const altered = [...bytes.keys()].map((at) => {
    const copy = Buffer.from(bytes);
    copy[at] = copy[at]! ^ 1;
    return copy.toString('base64url');
  });
  const others = ['', 'x', '..', token.slice(1), token.slice(0, -2), `${token}AAAA`, writeUnsubscribeToken(LINK, 'x')];
  expect(
    [...altered, ...others].filter((each) => readUnsubscribeToken(each, [SECRET, 'another key of ours']) !== undefined),
  ).toEqual([]);
});
