/** Code 39: each sign is nine elements, bar and gap in turn, of which the wide ones tell it apart. */
const wideOf: Readonly<Record<string, string>> = {
  '0': 'nnnwwnwnn',
  '1': 'wnnwnnnnw',
  '2': 'nnwwnnnnw',
  '3': 'wnwwnnnnn',
  '4': 'nnnwwnnnw',
  '5': 'wnnwwnnnn',
  '6': 'nnwwwnnnn',
  '7': 'nnnwnnwnw',
  '8': 'wnnwnnwnn',
  '9': 'nnwwnnwnn',
  P: 'nnwnwnnwn',
  S: 'nnwnnnwwn',
  '-': 'nwnnnnwnw',
  '*': 'nwnnwnwnn',
}
const WIDE = 2.5

export interface Bar {
  readonly x: number
  readonly width: number
}

/** The bars of a booking number, in units of a narrow bar; start and stop signs included. */
export function barsOf(number: string): readonly Bar[] {
  const bars: Bar[] = []
  let x = 0
  for (const sign of `*${number}*`) {
    const elements = wideOf[sign]
    if (elements === undefined) throw new RangeError(`A booking number has no sign '${sign}'.`)
    for (const [index, element] of [...elements].entries()) {
      const width = element === 'w' ? WIDE : 1
      if (index % 2 === 0) bars.push({ x, width })
      x += width
    }
    x += 1 // the gap between two signs
  }
  return bars
}
