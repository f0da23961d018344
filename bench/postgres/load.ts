/**
 * One round after another, in as many lanes as a scenario has: send a batch, receive one, ack it. Runs under the Node of a peer, too, so
 * it imports nothing.
 */

/** One round: resolves to the messages that were acked. */
export type Round = () => Promise<number>

export interface LoadJob {
  readonly url: string
  readonly batch: number
  readonly lanes: number
  /** 0: none. */
  readonly groups: number
  /** Messages a second of all lanes together, at most; none: as fast as it goes. */
  readonly perSecond?: number
  readonly warmUpMs: number
  readonly durationMs: number
}

export interface LoadRates {
  readonly acked: number
  readonly elapsedMs: number
  /** How long each round took. */
  readonly roundsMs: readonly number[]
}

export const BODY_BYTES = 256

export function groupOf(groups: number): string {
  return `g${Math.floor(Math.random() * groups)}`
}

/** Rounds that end while it warms up do not count. */
export async function runLoad(
  round: Round,
  { lanes, batch, perSecond, warmUpMs, durationMs }: LoadJob,
): Promise<LoadRates> {
  const startMs = performance.now() + warmUpMs
  const endMs = startMs + durationMs
  const roundsMs: number[] = []
  let acked = 0
  const paceMs = perSecond === undefined ? 0 : (batch * lanes * 1_000) / perSecond
  const lane = async (_: unknown, n: number): Promise<void> => {
    let dueMs = performance.now() + (paceMs * n) / lanes
    for (let beganMs = performance.now(); beganMs < endMs; ) {
      const done = await round()
      const nowMs = performance.now()
      if (nowMs >= startMs && nowMs <= endMs) {
        acked += done
        roundsMs.push(nowMs - beganMs)
      }
      beganMs = nowMs
      dueMs += paceMs
      if (dueMs > nowMs) {
        await new Promise((resolve) => setTimeout(resolve, dueMs - nowMs))
        beganMs = performance.now()
      }
    }
  }
  // A lane may wait for what other processes, which have ended, will no longer bring.
  const over = new Promise((resolve) => setTimeout(resolve, warmUpMs + durationMs))
  await Promise.race([Promise.all(Array.from({ length: lanes }, lane)), over])
  return { acked, elapsedMs: durationMs, roundsMs }
}
