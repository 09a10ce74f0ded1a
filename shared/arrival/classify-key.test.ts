import { describe, expect, test } from 'vitest';
import { compileGlobs } from '#shared/definitions/routes/match-glob.ts';
import { classifyKey, GUARDDUTY_PROBE, tenantOfKey } from './classify-key.ts';

const tenant = (id: string, more: { isDisabled?: boolean } = {}) =>
  [id, { id, isDisabled: false, ignores: compileGlobs(['*.part', '.*']), ...more }] as const;
const tenants = new Map([tenant('acme'), tenant('plain'), tenant('gone', { isDisabled: true })]);

describe('the tenant of a key', () => {
  test.each([
    ['acme/in/a.csv', 'acme'],
    ['acmeX/a.csv', 'acmeX'],
    ['a.csv', undefined],
    ['/acme/a.csv', undefined],
    ['acme', undefined],
  ])('%j: %j', (key, expected) => {
    expect(tenantOfKey(key)).toBe(expected);
  });
});

describe('a key', () => {
  test('what GuardDuty puts there to see whether it may is not a file; below a prefix of a tenant it is one', () => {
    expect(classifyKey(GUARDDUTY_PROBE, tenants)).toEqual({ type: 'ignored', why: 'ignored name' });
    expect(classifyKey(`acme/${GUARDDUTY_PROBE}`, tenants)).toMatchObject({ type: 'file', tenantId: 'acme' });
  });

  test.each(['acme/', 'acme/in/', 'stranger/'])('%j is a directory marker', (key) => {
    expect(classifyKey(key, tenants)).toEqual({ type: 'ignored', why: 'directory marker' });
  });

  test.each(['acme/a.part', 'plain/deep/down/.hidden'])('%j waits for its rename', (key) => {
    expect(classifyKey(key, tenants)).toEqual({ type: 'ignored', why: 'ignored name' });
  });

  test.each(['acmeX/a.csv', 'a.csv', '/acme/a.csv', '__proto__/a.csv', 'ACME/a.csv'])('%j is nobody’s', (key) => {
    expect(classifyKey(key, tenants)).toMatchObject({ tenantId: 'unassigned', error: { code: 'TENANT_UNKNOWN' } });
  });

  test('of a disabled tenant is set aside under that tenant', () => {
    expect(classifyKey('gone/a.csv', tenants)).toMatchObject({ tenantId: 'gone', error: { code: 'TENANT_DISABLED' } });
  });

  test.each([
    'acme/in/../../other/x.csv',
    'acme/./x.csv',
    'acme/in\\x.csv',
    'acme/in/a\r\nother  forged.txt',
    'acme/in/\u001b[2Jx',
    'acme/in/\u0085x',
    'acme/in/\u202egnp.exe',
    'acme/in/\u061cx',
    'acme/in/\u2028x',
    'acme/in/\ufeffx',
    'acme/in/\ud800x',
    'acme/-rf',
    'acme/in/--checkpoint-action=exec/x.csv',
    'acme/.. /globex/x.csv',
    'acme/in/ ../x.csv',
    'acme/in/x\u200b.csv',
    'acme/in/\u2060x.csv',
    'acme/in/pay\u00adment.csv',
    'acme/\u3164/x.csv',
    'acme/in/x\u{e0041}.csv',
    `acme/${'x'.repeat(1_020)}`,
  ])('%j is set aside as its tenant’s', (key) => {
    expect(classifyKey(key, tenants)).toMatchObject({ tenantId: 'acme', error: { code: 'NAME_REJECTED' } });
  });

  test.each([
    'acme/in/a..b.csv',
    'acme/in/ leading and trailing ',
    'acme/in//x.csv',
    'acme/in/%2e%2e/x',
    'acme/in/👩‍👧.csv',
    'acme/in/نامه\u200cای ❤\ufe0f.csv',
    'acme/in/a.hidden',
    'acme/in/a-b -c',
  ])('%j is a file like any other', (key) => {
    const found = classifyKey(key, tenants);
    expect(found).toMatchObject({ type: 'file' });
    expect(found).not.toHaveProperty('error');
  });

  test('names its file, and its directory orders it', () => {
    const [one, two, other] = ['acme/in/1.csv', 'acme/in/2.csv', 'acme/out/1.csv'].map((key) =>
      classifyKey(key, tenants),
    );
    expect(one).toMatchObject({ type: 'file', tenantId: 'acme', name: '1.csv' });
    const orderOf = (given: typeof one) => (given?.type === 'file' ? given.orderKey : undefined);
    expect(orderOf(one)).toBe(orderOf(two));
    expect(orderOf(one)).not.toBe(orderOf(other));
  });
});
