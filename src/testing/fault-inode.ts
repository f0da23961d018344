/** One file of a FaultDisk: its bytes as written, its bytes on stable storage, and the writes between the two. */
import type { Random } from '../runtime/random.ts'

/** What of the unsynced survives: nothing, everything, or a random subset with torn sectors. */
export type PowerCutMode = 'lost' | 'kept' | 'torn'

const SECTOR_BYTES = 512

interface Unsynced {
  readonly position: number
  readonly bytes: Buffer
  /** A truncation to `position`. */
  readonly truncates: boolean
  /** A sync that should have covered it failed: no later one will. */
  forgotten: boolean
}

export class FaultInode {
  #current = new GrowingBytes()
  #durable = new GrowingBytes()
  #unsynced: Unsynced[] = []

  get length(): number {
    return this.#current.length
  }

  content(): Buffer {
    return this.#current.view()
  }

  write(bytes: Buffer, position: number): void {
    this.#current.put(bytes, position)
    this.#unsynced.push({ position, bytes, truncates: false, forgotten: false })
  }

  truncate(bytes: number): void {
    this.#current.resize(bytes)
    this.#unsynced.push({ position: bytes, bytes: Buffer.alloc(0), truncates: true, forgotten: false })
  }

  read(target: Uint8Array, position: number): number {
    const found = this.#current.view().subarray(position, position + target.length)
    target.set(found)
    return found.length
  }

  /** The writes that a sync beginning now covers. */
  unsynced(): readonly Unsynced[] {
    return this.#unsynced.filter((write) => !write.forgotten)
  }

  makeDurable(covered: readonly Unsynced[]): void {
    const done = new Set(covered)
    for (const write of covered) apply(this.#durable, write)
    this.#unsynced = this.#unsynced.filter((write) => !done.has(write))
  }

  forgetUnsynced(): void {
    for (const write of this.#unsynced) write.forgotten = true
  }

  copy(): FaultInode {
    const copy = new FaultInode()
    copy.#current = this.#current.copy()
    copy.#durable = this.#durable.copy()
    copy.#unsynced = this.#unsynced.map((write) => ({ ...write }))
    return copy
  }

  /** What a power cut leaves of it; all of that is durable. */
  survivor(mode: PowerCutMode, random: Random): FaultInode {
    const left = this.#durable.copy()
    for (const write of this.#unsynced) {
      if (mode === 'kept') apply(left, write)
      else if (mode === 'torn' && random.float() < 0.7) applyTorn(left, write, random)
    }
    const survivor = new FaultInode()
    survivor.#durable = left
    survivor.#current = left.copy()
    return survivor
  }

  flipBit(offset: number, bit: number): void {
    for (const bytes of [this.#current, this.#durable]) {
      const view = bytes.view()
      const byte = view[offset]
      if (byte !== undefined) view[offset] = byte ^ (1 << bit)
    }
  }

  damageLength(bytes: number): void {
    this.#current.resize(bytes)
    this.#durable.resize(bytes)
    this.#unsynced = []
  }
}

function apply(target: GrowingBytes, write: Unsynced): void {
  if (write.truncates) target.resize(write.position)
  else target.put(write.bytes, write.position)
}

/** Sectors of the file reach the medium each on its own; half of the time all of them did. */
function applyTorn(target: GrowingBytes, write: Unsynced, random: Random): void {
  if (write.truncates || random.float() < 0.5) {
    apply(target, write)
    return
  }
  const end = write.position + write.bytes.length
  for (let at = write.position; at < end; ) {
    const next = Math.min(end, at - (at % SECTOR_BYTES) + SECTOR_BYTES)
    const sector = write.bytes.subarray(at - write.position, next - write.position)
    if (random.float() < 0.5) target.put(sector, at)
    at = next
  }
}

/** Bytes that grow without being copied each time. */
class GrowingBytes {
  #bytes = Buffer.alloc(0)
  length = 0

  view(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  put(bytes: Buffer, position: number): void {
    const end = position + bytes.length
    if (end > this.length) this.resize(end)
    bytes.copy(this.#bytes, position)
  }

  resize(length: number): void {
    if (length > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(length, this.#bytes.length * 2))
      this.#bytes.copy(grown, 0, 0, this.length)
      this.#bytes = grown
    } else if (length < this.length) {
      this.#bytes.fill(0, length, this.length)
    }
    this.length = length
  }

  copy(): GrowingBytes {
    const copy = new GrowingBytes()
    copy.#bytes = Buffer.from(this.view())
    copy.length = this.length
    return copy
  }
}
