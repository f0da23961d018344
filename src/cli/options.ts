/** Parsers of option values; commander shows what they throw, with the option's name. */
import { InvalidArgumentError } from 'commander'

export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min) throw new InvalidArgumentError(`It must be a whole number, ${min} or more.`)
    return value
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** `500ms`, `5s`, `2m`, `1h`, at least 1 ms and at most a day; in ms. */
export function duration(text: string): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const ms = Math.round(Number(amount) * (UNIT_MS[unit] ?? Number.NaN))
  if (!(ms >= 1 && ms <= 86_400_000) || amount === '') {
    throw new InvalidArgumentError('It must be a time such as 500ms, 5s, 2m or 1h, at most a day.')
  }
  return ms
}
