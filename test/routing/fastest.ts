const ROUNDS_MIN = 15
const ROUNDS_MAX = 300

/**
 * The shortest of several runs, ms: what the code costs, rather than what else the machine does. On a busy machine it takes more
 * runs until one is left alone; so it goes on until one takes less than `enoughMs`, or 300 did not.
 */
export function fastestMs(run: () => void, enoughMs: number): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS_MAX && (round < ROUNDS_MIN || best >= enoughMs); round++) {
    const startMs = performance.now()
    run()
    best = Math.min(best, performance.now() - startMs)
  }
  return best
}
