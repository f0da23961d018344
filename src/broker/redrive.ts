/** The words of a redrive: moving dead letters back to where they came from, or to one queue. Plain data. */

export interface RedriveRequest {
  readonly source: string
  /**
   * `ready`: what waits in a dead-letter queue. `dead`: what the source itself holds as dead.
   * Default: `ready` when another queue's policy sends its dead there, else `dead`.
   */
  readonly from?: 'ready' | 'dead'
  /** Default: for each message the queue where it died last, as its history says. */
  readonly target?: string
  /** Messages a second, 0.1 to 100,000. Default: as fast as it goes. */
  readonly ratePerSecond?: number
}

/**
 * - `running`: a runner moves messages
 * - `completed`: it came to the end of those that were there when it started
 * - `cancelled`: somebody stopped it
 * - `failed`: `reason` says why; what it had not moved is where it was
 */
export type RedriveState = 'running' | 'completed' | 'cancelled' | 'failed'

export interface RedriveView {
  readonly id: string
  readonly source: string
  readonly from: 'ready' | 'dead'
  readonly target: string | null
  readonly ratePerSecond: number | null
  readonly state: RedriveState
  readonly reason: string | null
  readonly moved: number
  /** Those that could not be moved by themselves, and stay where they were. */
  readonly failed: number
  /** About how many there were to move when it started. */
  readonly about: number
  readonly startedAtMs: number
  readonly endedAtMs: number | null
}
