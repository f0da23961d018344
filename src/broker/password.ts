/** Passwords are kept as scrypt hashes, each with its own salt and the cost it was made with. */
import { createHmac, scrypt, timingSafeEqual } from 'node:crypto'
import { SpindleError } from '../model/errors.ts'
import type { Random } from '../runtime/random.ts'

/** All base64 but the costs (scrypt's N, r and p). */
export interface PasswordHash {
  readonly salt: string
  readonly hash: string
  readonly cost: number
  readonly blockSize: number
  readonly parallel: number
}

/** 16 MiB and some 40 ms a guess: dear for a guesser, bearable for a connection. */
const COST = { cost: 16_384, blockSize: 8, parallel: 1 }
const HASH_BYTES = 32
const SALT_BYTES = 16
export const PASSWORD_BYTES_MAX = 1_024
/** Checks that run at one time: the thread pool is needed by the disk, too. */
const RUNNING_MAX = 2
/** Checks that wait; more are refused, so that guessing cannot starve a server. */
const WAITING_MAX = 1_000

export class Passwords {
  readonly #random: Random
  /** Of what was checked lately, under a key that dies with the process: a client that reconnects costs no hash. */
  readonly #key: Uint8Array
  readonly #known = new Map<string, Buffer>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(random: Random) {
    this.#random = random
    this.#key = random.bytes(32)
  }

  async hash(password: string): Promise<PasswordHash> {
    const salt = Buffer.from(this.#random.bytes(SALT_BYTES)).toString('base64')
    const hash = await this.#derive(password, { salt, ...COST })
    return { salt, hash: hash.toString('base64'), ...COST }
  }

  /** Takes as long for a user who does not exist (`undefined`). Rejects `overloaded` when too many wait. */
  async verify(password: string, stored: PasswordHash | undefined): Promise<boolean> {
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false
    const proof = createHmac('sha256', this.#key).update(password).digest()
    const known = stored && this.#known.get(stored.hash)
    if (known !== undefined && timingSafeEqual(known, proof)) return true
    const against = stored ?? { salt: '', hash: '', ...COST }
    const derived = await this.#derive(password, against)
    const expected = Buffer.from(against.hash, 'base64')
    const right = stored !== undefined && expected.length === derived.length && timingSafeEqual(expected, derived)
    if (right) this.#remember(stored.hash, proof)
    return right
  }

  #remember(hash: string, proof: Buffer): void {
    if (this.#known.size >= WAITING_MAX) this.#known.clear()
    this.#known.set(hash, proof)
  }

  async #derive(password: string, from: Omit<PasswordHash, 'hash'>): Promise<Buffer> {
    if (this.#running >= RUNNING_MAX) {
      if (this.#waiting.length >= WAITING_MAX) throw new SpindleError('overloaded', 'check a password')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    this.#running++
    try {
      return await derive(password, from)
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }
}

function derive(password: string, { salt, cost, blockSize, parallel }: Omit<PasswordHash, 'hash'>): Promise<Buffer> {
  const options = { N: cost, r: blockSize, p: parallel, maxmem: 64 * 1_048_576 }
  return new Promise((resolve, reject) => {
    scrypt(password, Buffer.from(salt, 'base64'), HASH_BYTES, options, (fault, key) =>
      fault === null ? resolve(key) : reject(fault),
    )
  })
}
