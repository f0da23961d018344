/** The shortest of several runs, ms: what the code costs, rather than what else the machine does. */
export function fastestMs(run: () => void, rounds = 15): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now()
    run()
    best = Math.min(best, performance.now() - startMs)
  }
  return best
}
