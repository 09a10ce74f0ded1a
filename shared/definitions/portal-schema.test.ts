import { expect, test } from 'vitest';
import { dataUrl, PNG_SIGNATURE, pngChunk, pngHeader, smallPng } from '#testkit/seeds/small-png.ts';
import { portalSchema } from './portal-schema.ts';

const faultOf = (portal: unknown) =>
  portalSchema
    .safeParse(portal)
    .error?.issues.map(({ message }) => message)
    .join('; ');

test('a name, a colour and a logo are taken, and each alone', () => {
  const portal = { name: 'Acme file desk', colour: '#0B5394', logo: dataUrl(smallPng()) };
  expect(portalSchema.parse(portal)).toEqual(portal);
  for (const [key, value] of Object.entries(portal)) expect(faultOf({ [key]: value })).toBeUndefined();
  expect(faultOf({})).toMatch('must have a name, a colour or a logo');
});

test.each([
  ['an empty name', { name: '  ' }, />=1/],
  ['a name over 60 characters', { name: 'a'.repeat(61) }, /<=60/],
  ['a name that turns the text round', { name: 'Acme\u202e' }, /invisible/],
  ['a name of two lines', { name: 'Acme\nLongshore' }, /control character/],
  ['a colour without quotes, which YAML takes for a comment', { colour: null }, /must be a colour such as/],
  ['the name of a colour', { colour: 'red' }, /must be a colour such as/],
  ['a colour with a rule after it', { colour: '#0b5394;} body{display:none' }, /must be a colour such as/],
  ['a colour that nobody can read', { colour: '#ffd700' }, /too light to read/],
  ['another option', { font: 'Comic Sans' }, /Unrecognized key/],
])('%s is refused', (_name, portal, fault) => {
  expect(faultOf(portal)).toMatch(fault);
});

test.each([
  ['an address', 'https://acme.example/logo.png', /must be a PNG/],
  ['an SVG', dataUrl(Buffer.from('<svg onload="alert(1)"/>'), 'image/svg+xml'), /must be a PNG/],
  ['an SVG that says it is a PNG', dataUrl(Buffer.from('<svg onload="alert(1)"/>')), /is not a PNG/],
  ['nothing', dataUrl(Buffer.alloc(0)), /is not a PNG/],
  ['what is not base64', 'data:image/png;base64,@@@', /is not base64/],
  ['a second part after the base64', `${dataUrl(smallPng())}"><script>`, /is not base64/],
  [
    'a PNG over 16 KiB',
    dataUrl(smallPng({ between: [pngChunk('tEXt', Buffer.alloc(16_384))] })),
    /at most 16384 bytes/,
  ],
  ['a PNG that is cut off', dataUrl(smallPng().subarray(0, 50)), /cut off/],
  ['a PNG without an end', dataUrl(smallPng().subarray(0, -12)), /not a whole PNG/],
  ['a PNG with something after its end', dataUrl(Buffer.concat([smallPng(), pngChunk('tEXt')])), /not a whole PNG/],
  [
    'a PNG with no picture',
    dataUrl(Buffer.concat([PNG_SIGNATURE, pngHeader(2, 2), pngChunk('IEND')])),
    /not a whole PNG/,
  ],
  [
    'a PNG with a wrong checksum',
    dataUrl(Buffer.from(smallPng().map((byte, at) => (at === 20 ? byte ^ 1 : byte)))),
    /damaged/,
  ],
  [
    'a length that points past the end',
    dataUrl(Buffer.concat([PNG_SIGNATURE, Buffer.from('ffffffff49484452', 'hex'), Buffer.alloc(20)])),
    /cut off/,
  ],
  [
    'a picture of 20,000 by 20,000 pixels',
    dataUrl(smallPng({ width: 20_000, height: 20_000, data: Buffer.alloc(10) })),
    /512 by 512/,
  ],
  ['a picture of no width', dataUrl(smallPng({ width: 0 })), /512 by 512/],
  ['a moving picture', dataUrl(smallPng({ between: [pngChunk('acTL', Buffer.alloc(8))] })), /animated/],
])('%s is not a logo', (_name, logo, fault) => {
  expect(faultOf({ logo })).toMatch(fault);
});

test('every byte changed and every length cut of a PNG is a fault or a picture, and never an exception', () => {
  const whole = smallPng();
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    expect(faultOf({ logo: dataUrl(changed) }), `byte ${at}`).toBeDefined();
    expect(faultOf({ logo: dataUrl(whole.subarray(0, at)) }), `cut at ${at}`).toBeDefined();
  }
});
