/** Passwords are kept as scrypt hashes, each with its own salt and the cost it was made with. */
import { createHash, createHmac, scrypt, timingSafeEqual } from 'node:crypto'
import { SpindleError } from '../model/errors.ts'
import type { Random } from '../runtime/random.ts'

/** All base64 but the costs (scrypt's N, r and p). */
export interface PasswordHash {
  readonly salt: string
  readonly hash: string
  readonly cost: number
  readonly blockSize: number
  readonly parallel: number
  /** The password was given as RabbitMQ's hash: what was derived from is the digest of this salt and the password, base64. */
  readonly imported?: { readonly digest: 'sha256' | 'sha512'; readonly salt: string }
}

/** 16 MiB and some 40 ms a guess: dear for a guesser, bearable for a connection. */
const COST = { cost: 16_384, blockSize: 8, parallel: 1 }
const HASH_BYTES = 32
const SALT_BYTES = 16
const IMPORTED_SALT_BYTES = 4
const importedDigests = new Map<number, 'sha256' | 'sha512'>([
  [32, 'sha256'],
  [64, 'sha512'],
])
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

  /**
   * A password of which only RabbitMQ's hash is known: base64 of 4 bytes of salt and SHA-256 or SHA-512 over salt and password. It is
   * hashed again, so that what is stored is as dear to guess from as any other. Throws `invalid-argument`.
   */
  async import(foreign: string): Promise<PasswordHash> {
    const bytes = Buffer.from(foreign, 'base64')
    const digest = importedDigests.get(bytes.length - IMPORTED_SALT_BYTES)
    if (digest === undefined) {
      throw new SpindleError('invalid-argument', "password_hash must be RabbitMQ's salted SHA-256 or SHA-512, base64")
    }
    const imported = { digest, salt: bytes.subarray(0, IMPORTED_SALT_BYTES).toString('base64') }
    const salt = Buffer.from(this.#random.bytes(SALT_BYTES)).toString('base64')
    const hash = await this.#derive(bytes.subarray(IMPORTED_SALT_BYTES), { salt, ...COST })
    return { salt, hash: hash.toString('base64'), ...COST, imported }
  }

  /** Was this found right lately? Costs no hash. */
  isKnown(password: string, stored: PasswordHash | undefined): boolean {
    const known = stored && this.#known.get(stored.hash)
    return known !== undefined && timingSafeEqual(known, this.#proofOf(password))
  }

  /** Takes as long for a user who does not exist (`undefined`). Rejects `overloaded` when too many wait. */
  async verify(password: string, stored: PasswordHash | undefined): Promise<boolean> {
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false
    if (this.isKnown(password, stored)) return true
    const against = stored ?? { salt: '', hash: '', ...COST }
    const derived = await this.#derive(secretOf(password, against), against)
    const expected = Buffer.from(against.hash, 'base64')
    const right = stored !== undefined && expected.length === derived.length && timingSafeEqual(expected, derived)
    if (right) this.#remember(stored.hash, this.#proofOf(password))
    return right
  }

  #proofOf(password: string): Buffer {
    return createHmac('sha256', this.#key).update(password).digest()
  }

  #remember(hash: string, proof: Buffer): void {
    if (this.#known.size >= WAITING_MAX) this.#known.clear()
    this.#known.set(hash, proof)
  }

  async #derive(password: string | Uint8Array, from: Omit<PasswordHash, 'hash'>): Promise<Buffer> {
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

function secretOf(password: string, { imported }: PasswordHash): string | Uint8Array {
  if (imported === undefined) return password
  return createHash(imported.digest).update(Buffer.from(imported.salt, 'base64')).update(password).digest()
}

function derive(
  password: string | Uint8Array,
  { salt, cost, blockSize, parallel }: Omit<PasswordHash, 'hash'>,
): Promise<Buffer> {
  const options = { N: cost, r: blockSize, p: parallel, maxmem: 64 * 1_048_576 }
  return new Promise((resolve, reject) => {
    scrypt(password, Buffer.from(salt, 'base64'), HASH_BYTES, options, (fault, key) =>
      fault === null ? resolve(key) : reject(fault),
    )
  })
}
