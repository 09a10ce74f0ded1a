/**
 * The colours of a portal that has one of its own, in both themes.
 *
 * 1. All that is text keeps a contrast of 4.5 (WCAG 2.2 AA) with what is behind it, for every colour that `isLegible` takes.
 * 2. Only letters and digits come out: what a tenant writes is never part of a style sheet.
 */

type Rgb = readonly [red: number, green: number, blue: number];

export interface ThemeColours {
  /** Links, and the ground of the main button. */
  readonly accent: string;
  /** On it. */
  readonly onAccent: string;
  /** Behind the page in the navigation, whose text is `ink`. */
  readonly soft: string;
}

export const LEAST_CONTRAST = 4.5;
/**
 * As in `theme.css`. `raised` is the ground, of three, that leaves a link the least contrast; `soft` is mixed with `surface`, and what may be
 * written on it is in `texts`.
 */
export const THEMES = {
  light: {
    ...{ raised: '#eef1ef', surface: '#ffffff', onAccent: '#ffffff' },
    texts: { ink: '#17211b', muted: '#55625a', bad: '#b42318', warn: '#8a5300' },
  },
  dark: {
    ...{ raised: '#1f2823', surface: '#161d19', onAccent: '#06230f' },
    texts: { ink: '#e8efeb', muted: '#a3b1a9', bad: '#ff9b8f', warn: '#f5bf5a' },
  },
} as const;

/** `#rrggbb`; as links on the grounds of the light theme. */
export function isLegible(colour: string): boolean {
  return contrast(colour, THEMES.light.raised) >= LEAST_CONTRAST;
}

export function portalColours(colour: string): { readonly light: ThemeColours; readonly dark: ThemeColours } {
  const { light, dark } = THEMES;
  const bright = firstOf(
    20,
    (part) => mix('#ffffff', colour, part),
    (each) => contrast(each, dark.raised) >= LEAST_CONTRAST,
  );
  return {
    light: { accent: mix(colour, colour, 0), onAccent: light.onAccent, soft: softOf(colour, light) },
    dark: { accent: bright, onAccent: dark.onAccent, soft: softOf(bright, dark) },
  };
}

/** As much of the colour as leaves links and text on it legible. */
function softOf(accent: string, { surface, texts }: (typeof THEMES)[keyof typeof THEMES]): string {
  const isReadable = (soft: string) =>
    [accent, ...Object.values(texts)].every((text) => contrast(text, soft) >= LEAST_CONTRAST);
  return firstOf(15, (part) => mix(accent, surface, 0.15 - part * 0.15), isReadable);
}

/** The first of `steps` + 1 shades, from part 0 to part 1, that will do; the last one if none does. */
function firstOf(steps: number, shadeOf: (part: number) => string, willDo: (shade: string) => boolean): string {
  for (let step = 0; step < steps; step += 1) {
    const shade = shadeOf(step / steps);
    if (willDo(shade)) return shade;
  }
  return shadeOf(1);
}

/** By WCAG 2.2: from 1 to 21. */
export function contrast(one: string, other: string): number {
  const [lighter = 0, darker = 0] = [luminance(rgbOf(one)), luminance(rgbOf(other))].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function rgbOf(colour: string): Rgb {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** `part` of the first, the rest of the second. */
function mix(first: string, second: string, part: number): string {
  const other = rgbOf(second);
  const mixed = rgbOf(first).map((channel, index) => Math.round(channel * part + (other[index] ?? 0) * (1 - part)));
  return `#${mixed.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}
