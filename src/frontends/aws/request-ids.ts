/** Ids that tell one request from another in logs and answers: UUID-shaped, a random start and a count. */
import type { Random } from '../../runtime/random.ts'

export function requestIds(random: Random): () => string {
  const hex = Buffer.from(random.bytes(10)).toString('hex')
  const start = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-`
  let high = 0
  let low = 0
  return () => {
    // Two small integers: a remainder of one large number costs more than the rest of the id.
    if (low === LOW_MAX) {
      low = 0
      high++
    } else low++
    return start + (HIGH_FIRST + high).toString(16).slice(1) + (LOW_FIRST + low).toString(16).slice(1)
  }
}

const LOW_MAX = 0xff_ffff
const LOW_FIRST = 0x100_0000
const HIGH_FIRST = 0x100_0000
