/** Ids and tokens of SNS, made of the chance that is passed in. */
import type { Random } from '../../runtime/random.ts'

/** A random UUID (version 4). */
export function uuid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** 256 hex digits, as the tokens of confirmations are; 128 bytes of chance. */
export function confirmationToken(random: Random): string {
  return Buffer.from(random.bytes(128)).toString('hex')
}

/** Sequence numbers of FIFO topics: 20 digits, each larger than the one before while the clock does not go back. */
export class SequenceNumbers {
  #last = 0n

  next(wallMs: number): string {
    const now = BigInt(Math.max(0, Math.floor(wallMs))) * 100_000n
    this.#last = now > this.#last ? now : this.#last + 1n
    return `1${this.#last.toString().padStart(19, '0')}`
  }
}
