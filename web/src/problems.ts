/** Which queues need somebody, and why: the worst first. */
import { count, duration } from './format.ts'
import type { LiveView, QueueRates } from './live.ts'
import { ratesOf } from './live.ts'

const OLD_MS = 60_000
const GROWTH_MIN = 20

export interface ProblemQueue {
  readonly name: string
  readonly kind: 'failing' | 'stuck' | 'growing' | 'old'
  readonly words: string
  readonly score: number
}

export function problemsOf(view: LiveView): readonly ProblemQueue[] {
  const { stats } = view
  if (stats === undefined) return []
  const found: ProblemQueue[] = []
  for (const { name, dead, ready, leased, oldestReadyAtMs } of stats.queues) {
    const rates = ratesOf(view, name)
    const oldestMs = oldestReadyAtMs === null ? 0 : Math.max(0, stats.atMs - oldestReadyAtMs)
    const grown = growth(rates)
    if (rates.died > 0) {
      found.push({
        name,
        kind: 'failing',
        words: `${count(rates.died * 60)} die a minute, ${count(dead)} dead`,
        score: 4e12 + rates.died,
      })
    } else if (dead > 0) {
      found.push({ name, kind: 'failing', words: `${count(dead)} dead`, score: 2e12 + dead })
    } else if (ready > 0 && leased === 0 && rates.out === 0 && oldestMs > OLD_MS) {
      found.push({
        name,
        kind: 'stuck',
        words: `nobody takes from it; ${count(ready)} wait, the oldest ${duration(oldestMs)}`,
        score: 3e12 + oldestMs,
      })
    } else if (grown > GROWTH_MIN && rates.in > rates.out) {
      found.push({
        name,
        kind: 'growing',
        words: `grows by ${count(rates.in - rates.out)} a second`,
        score: 1e12 + grown,
      })
    } else if (oldestMs > OLD_MS) {
      found.push({ name, kind: 'old', words: `the oldest waits for ${duration(oldestMs)}`, score: oldestMs })
    }
  }
  return found.sort((a, b) => b.score - a.score)
}

/** How much deeper it is than at the beginning of what we saw, when it never came back since. */
function growth({ spark }: QueueRates): number {
  const [first = 0] = spark
  const last = spark.at(-1) ?? 0
  return last > first * 1.1 ? last - first : 0
}
