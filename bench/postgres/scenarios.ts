/** What `npm run bench:postgres` runs: systems, shapes of load, and the figures that it holds them to. */
export type System = 'spindle' | 'pg-boss' | 'graphile-worker'

export interface Scenario {
  readonly name: string
  readonly system: System
  /** Processes, each with `lanes` callers that send a batch, receive one and ack it, over and over. */
  readonly brokers: number
  readonly lanes: number
  readonly batch: number
  /** Ordered groups that the messages are spread over; 0: none. */
  readonly groups: number
  /** Messages that wait already. */
  readonly backlog: number
  /** Another session holds a snapshot all the time, so that nothing dead can be removed. */
  readonly held: boolean
  /** COMMIT waits for a standby on the same machine. */
  readonly synchronous: boolean
}

const PLAIN: Omit<Scenario, 'name' | 'batch'> = {
  system: 'spindle',
  brokers: 2,
  lanes: 32,
  groups: 0,
  backlog: 0,
  held: false,
  synchronous: false,
}

const BACKLOG = 1_000_000

export const scenarios: readonly Scenario[] = [
  { ...PLAIN, name: 'batch 1', batch: 1 },
  { ...PLAIN, name: 'batch 10', batch: 10 },
  { ...PLAIN, name: 'batch 100', batch: 100 },
  { ...PLAIN, name: 'batch 10, 1 broker', batch: 10, brokers: 1 },
  { ...PLAIN, name: 'batch 10, 4 brokers', batch: 10, brokers: 4 },
  { ...PLAIN, name: 'batch 100, 1 broker', batch: 100, brokers: 1 },
  { ...PLAIN, name: 'batch 100, 4 brokers', batch: 100, brokers: 4 },
  { ...PLAIN, name: 'batch 1, held', batch: 1, held: true },
  { ...PLAIN, name: 'batch 10, held', batch: 10, held: true },
  { ...PLAIN, name: 'batch 100, held', batch: 100, held: true },
  { ...PLAIN, name: 'batch 10, 1,000 groups', batch: 10, groups: 1_000 },
  { ...PLAIN, name: 'batch 10, 1,000 groups, held', batch: 10, groups: 1_000, held: true },
  { ...PLAIN, name: 'batch 10, backlog of 1 M', batch: 10, backlog: BACKLOG },
  { ...PLAIN, name: 'batch 10, backlog of 1 M, held', batch: 10, backlog: BACKLOG, held: true },
  { ...PLAIN, name: 'batch 10, synchronous standby', batch: 10, synchronous: true },
  { ...PLAIN, name: 'batch 100, synchronous standby', batch: 100, synchronous: true },
  ...(['pg-boss', 'graphile-worker'] as const).flatMap((system): Scenario[] => [
    { ...PLAIN, system, name: `${system}, batch 1`, batch: 1 },
    { ...PLAIN, system, name: `${system}, batch 10`, batch: 10 },
    { ...PLAIN, system, name: `${system}, batch 100`, batch: 100 },
    { ...PLAIN, system, name: `${system}, batch 10, held`, batch: 10, held: true },
    { ...PLAIN, system, name: `${system}, batch 10, 1,000 groups`, batch: 10, groups: 1_000 },
    { ...PLAIN, system, name: `${system}, batch 10, backlog of 1 M`, batch: 10, backlog: BACKLOG },
  ]),
]

/** Messages a second at least, and shares. */
export const figures = {
  batch10: 10_000,
  batch100: 30_000,
  synchronous: 8_000,
  /** With a held snapshot, of the rate without. */
  heldShare: 0.8,
  timesPgBoss: 5,
  timesGraphile: 2,
} as const
