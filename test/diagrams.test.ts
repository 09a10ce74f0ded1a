/** Diagrams are drawn from the DOT files next to them; `vitest run test/diagrams.test.ts -u` draws them again. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { instance } from '@viz-js/viz';
import { expect, test } from 'vitest';

const IMAGES = fileURLToPath(new URL('../docs/images', import.meta.url));
/** Sources, processing, storage, routing, observability, interfaces. */
const COLOURS = ['#bfdbfe', '#bbf7d0', '#fef08a', '#fecaca', '#e9d5ff', 'white'];
const diagrams = globSync('*.dot', { cwd: IMAGES }).sort();

test.each(diagrams)('%s is what its SVG shows', async (name) => {
  const viz = await instance();
  const svg = viz.renderString(readFileSync(join(IMAGES, name), 'utf8'), { format: 'svg' });
  await expect(svg).toMatchFileSnapshot(join(IMAGES, name.replace('.dot', '.svg')));
});

test.each(diagrams)('%s has a legend, a colour for each box by its category, and short labels', (name) => {
  const boxes = [
    ...readFileSync(join(IMAGES, name), 'utf8').matchAll(/^ +(\w+) \[label="([^"]+)", fillcolor=([^\],]+)/gm),
  ];
  const used = new Set(boxes.map(([, , , colour = '']) => colour.replaceAll('"', '')));
  expect([...used].filter((colour) => !COLOURS.includes(colour))).toEqual([]);
  const explained = boxes
    .filter(([, id = '']) => id.startsWith('legend_'))
    .map(([, , , colour = '']) => colour.replaceAll('"', ''));
  expect(new Set(explained)).toEqual(used);
  expect(boxes.map(([, , label = '']) => label).filter((label) => label.split(/[ ]+/).length > 3)).toEqual([]);
});
