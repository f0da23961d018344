/** Chance comes in through this interface, so that a seed replays a run. */
export interface Random {
  /** A float in [0, 1). */
  float(): number
  /** `count` random bytes; cryptographically strong in production. */
  bytes(count: number): Uint8Array
}

const PORTION = 65_536

export const systemRandom: Random = {
  float: () => Math.random(),
  // Of the platform, so that a page has it too; it gives so many at a time.
  bytes(count) {
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count; at += PORTION) crypto.getRandomValues(bytes.subarray(at, at + PORTION))
    return bytes
  },
}

/** A reproducible source (mulberry32) for tests and simulations; not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  return { float, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(float() * 256)) }
}
