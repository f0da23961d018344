/** The arguments of a binding to a headers exchange, as a test of a message's headers (AMQP 0-9-1, 3.1.3.4, and RabbitMQ's `x-match`). */
import type { Headers, HeaderValue } from '../model/content.ts'
import type { HeadersMatch } from './exchange.ts'

export type HeadersTest = (headers: Headers) => boolean

/** `all` with nothing to compare fits every message, `any` with nothing to compare none. */
export function compileHeadersMatch({ mode, values }: HeadersMatch): HeadersTest {
  const comparesX = mode === 'all-with-x' || mode === 'any-with-x'
  const wanted = Object.entries(values).filter(([name]) => name !== 'x-match' && (comparesX || !name.startsWith('x-')))
  const fits = (headers: Headers, [name, value]: readonly [string, HeaderValue | null]): boolean =>
    Object.hasOwn(headers, name) && (value === null || isSame(headers[name], value))
  return mode === 'all' || mode === 'all-with-x'
    ? (headers) => wanted.every((pair) => fits(headers, pair))
    : (headers) => wanted.some((pair) => fits(headers, pair))
}

function isSame(value: HeaderValue | undefined, wanted: HeaderValue): boolean {
  if (wanted instanceof Uint8Array) {
    return value instanceof Uint8Array && value.length === wanted.length && value.every((byte, i) => byte === wanted[i])
  }
  return value === wanted
}
