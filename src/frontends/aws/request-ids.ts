/** Ids that tell one request from another in logs and answers: UUID-shaped, a random start and a count. */
import type { Random } from '../../runtime/random.ts'

export function requestIds(random: Random): () => string {
  const hex = Buffer.from(random.bytes(10)).toString('hex')
  const start = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-`
  let count = 0
  return () => {
    count = (count + 1) % 2 ** 48
    return start + count.toString(16).padStart(12, '0')
  }
}
