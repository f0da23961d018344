/** Parsers of option values; commander shows what they throw, with the option's name. */
import { InvalidArgumentError } from 'commander'

export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min) throw new InvalidArgumentError(`It must be a whole number, ${min} or more.`)
    return value
  }
}
