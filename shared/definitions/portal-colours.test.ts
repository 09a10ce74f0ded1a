import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { contrast, isLegible, LEAST_CONTRAST, portalColours, THEMES } from './portal-colours.ts';

const css = readFileSync(new URL('../../console/src/parts/theme.css', import.meta.url), 'utf8');

/** Of the first block of declarations after `selector`. */
function declared(selector: string): ReadonlyMap<string, string> {
  const block = css.slice(css.indexOf(`${selector} {`)).split('}', 1)[0] ?? '';
  return new Map(
    [...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value]),
  );
}

/** Each sixth shade of each channel. */
const EVERY_COLOUR = Array.from({ length: 6 ** 3 }, (_, index) => {
  const channel = (at: number) => (Math.floor(index / 6 ** at) % 6) * 51;
  return `#${[2, 1, 0].map((at) => channel(at).toString(16).padStart(2, '0')).join('')}`;
});

test('the contrast is that of WCAG', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  expect(contrast('#ffffff', '#0b5394')).toBe(contrast('#0b5394', '#FFFFFF'));
});

test('a colour is legible where links of it are on the pages', () => {
  expect(['#0b5394', '#166534', '#B42318', '#000000'].filter(isLegible)).toHaveLength(4);
  expect(['#ffd700', '#777777', '#ff6600', '#ffffff'].filter(isLegible)).toEqual([]);
});

test('the grounds and texts are those of the pages', () => {
  for (const [theme, selector] of [
    ['light', ':root'],
    ['dark', ':root[data-theme="dark"]'],
  ] as const) {
    const of = declared(selector);
    const { raised, surface, texts } = THEMES[theme];
    expect({ raised, surface, ...texts }).toEqual(
      Object.fromEntries(['raised', 'surface', 'ink', 'muted', 'bad', 'warn'].map((name) => [name, of.get(name)])),
    );
    const hardest = ['ground', 'surface', 'raised'].sort(
      (one, other) =>
        contrast(of.get(one) ?? '', theme === 'light' ? '#000000' : '#ffffff') -
        contrast(of.get(other) ?? '', theme === 'light' ? '#000000' : '#ffffff'),
    )[0];
    expect(hardest).toBe('raised');
  }
});

test('whatever colour is taken, links, buttons and texts are readable in both themes', () => {
  const taken = EVERY_COLOUR.filter(isLegible);
  expect(taken.length).toBeGreaterThan(50);
  for (const colour of taken)
    for (const theme of ['light', 'dark'] as const) {
      const { accent, onAccent, soft } = portalColours(colour)[theme];
      const { raised, surface, texts } = THEMES[theme];
      const pairs = [
        ...[raised, surface, soft].map((ground) => [accent, ground] as const),
        ...Object.values(texts).map((text) => [text, soft] as const),
        [onAccent, accent] as const,
      ];
      for (const [text, ground] of pairs)
        expect(contrast(text, ground), `${colour} ${theme}: ${text} on ${ground}`).toBeGreaterThanOrEqual(
          LEAST_CONTRAST,
        );
    }
});

test('the light theme has the colour as it was given', () => {
  expect(portalColours('#0B5394').light.accent).toBe('#0b5394');
});
