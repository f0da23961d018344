/**
 * How often somebody may fail to log in. Failures fill two buckets that leak: one of the address and the name together, so that one
 * account is not guessed at from one place, and one of the address alone, so that a password is not tried on every account. Only
 * failures count, and whoever is known to be right is never asked to wait: a wrong guess of one keeps nobody else out.
 */
import { SpindleError } from '../model/errors.ts'
import type { Clock } from '../runtime/clock.ts'

/** Failures in a row before the first wait; then one more each `everyMs`. */
const OF_ACCOUNT = { burst: 5, everyMs: 10_000 }
const OF_ADDRESS = { burst: 50, everyMs: 1_000 }
/** Buckets that are kept; the oldest goes first. */
const KEPT_MAX = 10_000

type Rule = typeof OF_ACCOUNT
interface Bucket {
  level: number
  atMs: number
}

export class LoginLimit {
  readonly #clock: Clock
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Throws `overloaded`, which says how long to wait, when too many attempts from there have failed. */
  check(from: string, name: string): void {
    for (const [key, rule] of keysOf(from, name)) {
      const level = this.#level(key, rule)
      const over = level + 1 - rule.burst
      if (over <= 0) continue
      const seconds = Math.ceil((over * rule.everyMs) / 1_000)
      throw new SpindleError('overloaded', `log in after too many wrong passwords or tokens; try again in ${seconds} s`)
    }
  }

  failed(from: string, name: string): void {
    for (const [key, rule] of keysOf(from, name)) {
      const level = this.#level(key, rule) + 1
      this.#buckets.delete(key)
      this.#buckets.set(key, { level, atMs: this.#clock.monotonicMs() })
    }
    while (this.#buckets.size > KEPT_MAX) this.#buckets.delete(this.#buckets.keys().next().value as string)
  }

  succeeded(from: string, name: string): void {
    this.#buckets.delete(accountKey(from, name))
  }

  #level(key: string, { everyMs }: Rule): number {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return 0
    return Math.max(0, bucket.level - (this.#clock.monotonicMs() - bucket.atMs) / everyMs)
  }
}

function keysOf(from: string, name: string): readonly (readonly [string, Rule])[] {
  return [
    [accountKey(from, name), OF_ACCOUNT],
    [`address ${networkOf(from)}`, OF_ADDRESS],
  ]
}

function accountKey(from: string, name: string): string {
  return `account ${networkOf(from)} ${name.slice(0, 256)}`
}

/** Whoever has one IPv6 address has the other 2^64 of its network, too. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':')
  const filled = tail === undefined ? groups : [...groups, ...Array<string>(Math.max(0, 8 - groups.length)).fill('0')]
  return filled.slice(0, 4).join(':')
}
