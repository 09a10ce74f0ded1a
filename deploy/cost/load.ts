/** The load that is priced. */

export interface Load {
  readonly filesPerDay: number;
  readonly averageBytes: number;
  /** The month that is billed, from the first: what is kept grows until its time is over. */
  readonly month: number;
}

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
};

/** `2MB`, `512 KiB`. @throws RangeError */
export function parseBytes(text: string): number {
  const [, amount = '', unit = 'B'] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)?$/.exec(text) ?? [];
  const factor = UNITS[unit.toUpperCase()];
  if (amount === '' || factor === undefined) throw new RangeError(`${text} is not a size such as 2MB`);
  return Number(amount) * factor;
}
