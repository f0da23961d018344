/**
 * A whole broker under faults, driven by one seed: clients of every front end act at once, time passes, and now and then the power goes,
 * the process is killed, a write or sync fails, the disk fills up, connections break or the wall clock jumps. After each life what is stored
 * is judged against what the clients were told. The same plan replays the same run.
 */
import { SpindleError } from '../../src/model/errors.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { type Fault, judge, type Seen, type SeenMessage } from '../faults/checkers.ts'
import {
  type Actor,
  amqpConsumer,
  amqpPublisher,
  embedded,
  QUEUES,
  type Stage,
  snsPublisher,
  sqs,
  TaskActors,
} from './actors.ts'
import { AwsClient } from './aws-client.ts'
import { Incarnation } from './incarnation.ts'
import { Ledger } from './ledger.ts'

export const faultKinds = [
  'power cut',
  'kill',
  'failing disk',
  'full disk',
  'dropped connections',
  'wall jump',
  'close',
] as const
export type FaultKind = (typeof faultKinds)[number]
export const actorKinds = ['embedded', 'sqs', 'fifo', 'sns', 'amqp', 'tasks'] as const
export type ActorKind = (typeof actorKinds)[number]

export interface Plan {
  readonly seed: number
  /** The run ends at the first look after so many. */
  readonly operations: number
  readonly actors: readonly ActorKind[]
  readonly faults: readonly FaultKind[]
  /** A full disk stays so for less than this, ms. Default 10,000, well within the 30 s that AMQP's leases outlive a process. */
  readonly fullDiskMs?: number
}

export interface Outcome {
  /** Broken promises in words; [] is what is wanted. */
  readonly problems: readonly string[]
  readonly operations: number
  readonly lives: number
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>
  /** Of everything that the clients were told, in order: two runs of one plan have the same. */
  readonly fingerprint: string
}

const STATES = ['delayed', 'ready', 'leased', 'done', 'dead'] as const
/** Turns of the event loop between two looks of the driver. */
const TURNS = 2
/** Of virtual time between two looks for faults, ms. */
const STEP_MS = 100
/** Operations between two faults, on average. */
const FAULT_EVERY = 150
/** The wall clock is at most so far off, ms: what lives for days must not end of it. */
const OFF_MAX_MS = 86_400_000
const FULL_DISK_MS = 10_000
/** Virtual time in which everything that waits must have come out at the end, ms. */
const PATIENCE_MS = 1_800_000

export async function simulate(plan: Plan): Promise<Outcome> {
  const world = new World(plan)
  return world.run()
}

class World {
  readonly #plan: Plan
  readonly #clock = new VirtualClock({ monotonicMs: 1_000_000 })
  readonly #ledger = new Ledger()
  readonly #tasks = new TaskActors()
  readonly #random
  readonly #counts: Partial<Record<FaultKind, number>> = {}
  #disk = new FaultDisk()
  #life: Incarnation | undefined
  #lives = 0
  #nextFault = 0
  #offMs = 0
  #over = false
  /** A fault that has struck, and whose ruins nobody has looked at yet. */
  #struck: { readonly life: Incarnation; readonly fault: Fault } | undefined
  #faultsAllowed = true
  #waiting: ((life: Incarnation | undefined) => void)[] = []
  readonly #problems: string[] = []

  constructor(plan: Plan) {
    this.#plan = plan
    this.#random = seededRandom(plan.seed)
  }

  async run(): Promise<Outcome> {
    await this.#begin()
    const actors = this.#actors()
    const all = Promise.all(actors)
    let failed: unknown
    all.catch((error: unknown) => {
      failed = error
    })
    while (this.#ledger.operations < this.#plan.operations && this.#problems.length === 0 && failed === undefined) {
      await turns(TURNS)
      const dice = this.#random.float()
      await this.#pass(dice < 0.15 ? this.#below(3_000) : dice < 0.156 ? this.#below(60_000) : 0)
      if (this.#random.float() < 0.02) await this.#reviveIfPoisoned()
      if (this.#ledger.violations.length > 0) this.#problems.push(...this.#ledger.violations.slice(0, 5))
    }
    if (failed !== undefined) throw failed
    if (this.#problems.length === 0) await this.#finish()
    this.#over = true
    for (const wake of this.#waiting.splice(0)) wake(undefined)
    this.#life?.kill()
    const { operations, log } = this.#ledger
    const fingerprint = `${this.#ledger.fingerprint} ${log.now} ${operations} ${this.#tasks.ran.size} ${this.#lives}`
    return { problems: this.#problems, operations, lives: this.#lives, faults: this.#counts, fingerprint }
  }

  /** Time passes and faults come: in small steps, since clients do much in each. */
  async #pass(ms: number): Promise<void> {
    for (let left = ms; ; left -= STEP_MS) {
      if (left > 0) await this.#clock.advance(Math.min(left, STEP_MS))
      if (this.#struck !== undefined) await this.#end(this.#struck.life, this.#struck.fault)
      if (this.#plan.faults.length > 0 && this.#ledger.operations >= this.#nextFault) await this.#fault()
      if (left <= STEP_MS || this.#problems.length > 0) return
    }
  }

  #actors(): Promise<void>[] {
    const tasks = this.#tasks
    const kinds: Readonly<Record<ActorKind, readonly Actor[]>> = {
      embedded: [embedded, embedded, embedded],
      sqs: [sqs('sim-sqs'), sqs('sim-sqs')],
      fifo: [sqs('sim-sqs.fifo'), sqs('sim-sqs.fifo')],
      sns: [snsPublisher, sqs('sim-sns'), sqs('sim-sns')],
      amqp: [amqpPublisher, amqpConsumer, amqpConsumer],
      tasks: [tasks.enqueuer, tasks.worker],
    }
    return this.#plan.actors.flatMap((kind) =>
      kinds[kind].map((actor, index) => {
        const name = `${kind}-${index}`
        const random = seededRandom(this.#plan.seed * 7_919 + kind.length * 101 + index * 17 + kind.charCodeAt(0))
        const stage: Stage = {
          clock: this.#clock,
          ledger: this.#ledger,
          random,
          life: async () => {
            await turns(1)
            return this.#nextLife()
          },
          turn: () => turns(1),
          pause: (ms) => new Promise((resolve) => void this.#clock.setTimer(ms, resolve)),
        }
        return actor(stage, name)
      }),
    )
  }

  #nextLife(): Promise<Incarnation | undefined> {
    if (this.#over) return Promise.resolve(undefined)
    if (this.#life?.alive === true) return Promise.resolve(this.#life)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async #begin(): Promise<void> {
    const life = await this.#start()
    if (this.#lives === 1) {
      const { broker } = life
      await this.#inTime(broker.declareQueue('sim-embedded', { attemptsMax: null }))
      await this.#inTime(declareAws(life))
    }
    this.#life = life
    for (const wake of this.#waiting.splice(0)) wake(life)
  }

  /** A disk that fails on the way is replaced by what a kill leaves of it, as whoever starts the process again finds it. */
  async #start(): Promise<Incarnation> {
    for (;;) {
      const parts = { disk: this.#disk, clock: this.#clock, number: ++this.#lives, seed: this.#plan.seed }
      try {
        return await this.#inTime(Incarnation.start(parts))
      } catch (fault) {
        if (!isOfDisk(fault) || this.#lives === 1) throw fault
        this.#disk = this.#disk.crash()
        this.#disk.capacityBytes = Number.POSITIVE_INFINITY
      }
    }
  }

  /** Virtual time passes while it is waited for: the start may need some. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    let done = false
    const ended = work.finally(() => {
      done = true
    })
    ended.catch(() => {})
    for (let round = 0; !done; round++) {
      if (round > 20_000) throw new Error('the broker did not start')
      await turns(2)
      if (!done && round % 50 === 49) await this.#clock.advance(100)
    }
    return ended
  }

  async #fault(): Promise<void> {
    const { faults } = this.#plan
    const kind = faults[this.#below(faults.length)] as FaultKind
    const life = this.#life
    if (life?.alive !== true || !this.#faultsAllowed) return
    this.#nextFault = this.#ledger.operations + this.#below(2 * FAULT_EVERY)
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1
    this.#ledger.operations++
    switch (kind) {
      case 'power cut':
      case 'kill':
        this.#arm(life, kind)
        return
      case 'failing disk':
        this.#disk.failNth(1 + this.#below(30), (['write', 'sync', 'any'] as const)[this.#below(3)] ?? 'any')
        return
      case 'full disk': {
        const used = this.#disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
        this.#disk.capacityBytes = used + this.#below(150_000)
        const disk = this.#disk
        const { fullDiskMs = FULL_DISK_MS } = this.#plan
        this.#clock.setTimer(1_000 + this.#below(fullDiskMs), () => {
          disk.capacityBytes = Number.POSITIVE_INFINITY
        })
        return
      }
      case 'dropped connections':
        life.dropConnections()
        return
      case 'wall jump': {
        const jumpMs = ([3_600_000, -3_600_000, 86_400_000, -86_400_000] as const)[this.#below(4)] ?? 0
        const byMs = Math.abs(this.#offMs + jumpMs) > OFF_MAX_MS ? -this.#offMs : jumpMs
        this.#offMs += byMs
        this.#clock.jumpWall(byMs)
        return
      }
      case 'close': {
        this.#life = undefined
        try {
          await this.#inTime(life.close())
        } catch (fault) {
          if (!isOfDisk(fault)) throw fault
        }
        life.kill()
        await this.#verify(this.#disk, 'kill')
        return this.#begin()
      }
      default:
        kind satisfies never
    }
  }

  /** It strikes in the middle of one of the next syncs, where the most is under way. */
  #arm(life: Incarnation, fault: Fault): void {
    const phase = (['before', 'during', 'after'] as const)[this.#below(3)]
    let left = 1 + this.#below(10)
    const disk = this.#disk
    const stop = disk.onSync((boundary) => {
      if (boundary.phase !== phase || --left > 0) return
      stop()
      if (this.#life === life && life.alive) this.#struck = this.#strike(life, fault)
    })
  }

  /** The life ends in this turn; what the fault leaves of the disk. */
  #strike(life: Incarnation, fault: Fault): { readonly life: Incarnation; readonly fault: Fault } {
    life.kill()
    this.#disk = fault === 'kill' ? this.#disk.crash() : this.#disk.powerCut({ random: this.#random })
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY
    return { life, fault }
  }

  async #end(life: Incarnation, fault: Fault): Promise<void> {
    if (life.alive) this.#strike(life, fault)
    this.#life = undefined
    this.#struck = undefined
    await this.#verify(this.#disk, fault)
    await this.#begin()
  }

  /** A failed write or sync poisons the store: whoever serves it exits, and somebody starts it again. */
  async #reviveIfPoisoned(): Promise<void> {
    const life = this.#life
    if (life === undefined || !life.alive) return
    try {
      await life.engine.measure([])
    } catch (fault) {
      if (fault instanceof SpindleError && fault.code === 'disk-full') return
      if (!(fault instanceof SpindleError) || fault.code !== 'poisoned') throw fault
      await this.#end(life, this.#random.float() < 0.5 ? 'kill' : 'power cut')
    }
  }

  /** Looks at a copy of the disk, so that the look itself changes nothing. */
  async #verify(disk: FaultDisk, fault: Fault): Promise<void> {
    const copy = disk.crash()
    copy.capacityBytes = Number.POSITIVE_INFINITY
    const parts = { disk: copy, clock: this.#clock, number: 999_000 + this.#lives, seed: this.#plan.seed }
    const look = await this.#inTime(Incarnation.start(parts))
    const seen = await this.#inTime(lookAt(look))
    look.kill()
    this.#problems.push(...judge(this.#ledger.log, seen, this.#ledger.log.now, fault).slice(0, 10))
    this.#ledger.lifeEnded(seen.messages, fault)
  }

  /** No more faults: everything that was stored must come out, and every task end. */
  async #finish(): Promise<void> {
    this.#faultsAllowed = false
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY
    if (this.#struck !== undefined) await this.#end(this.#struck.life, this.#struck.fault)
    await this.#reviveIfPoisoned()
    const life = this.#life
    if (life === undefined) throw new Error('there is no broker at the end')
    await this.#end(life, 'kill')
    if (this.#problems.length > 0 || !this.#plan.actors.includes('tasks')) return
    // The enqueuer stops with the run; its worker goes on until all has ended.
    const wanted = new Map(this.#tasks.enqueued)
    for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += 1_000) {
      for (const [id, input] of wanted) if (this.#tasks.ran.has(input)) wanted.delete(id)
      if (wanted.size === 0) break
      await turns(TURNS)
      await this.#clock.advance(1_000)
    }
    for (const [id, input] of [...wanted].slice(0, 5)) this.#problems.push(`never run: task ${input}, job ${id}`)
    for (const input of this.#tasks.ran.keys())
      if (input > this.#tasks.tried) this.#problems.push(`unexpected: task ${input} ran and was never enqueued`)
  }

  #below(limit: number): number {
    return Math.floor(this.#random.float() * limit)
  }
}

/** Did it come of an injected fault? */
function isOfDisk(fault: unknown): boolean {
  const codes = ['poisoned', 'disk-full', 'EIO']
  for (let cause = fault; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && codes.includes(String(cause.code))) return true
  return false
}

async function declareAws(life: Incarnation): Promise<void> {
  const client = new AwsClient(life)
  for (const QueueName of ['sim-sqs', 'sim-sqs.fifo', 'sim-sns']) {
    const Attributes = QueueName.endsWith('.fifo') ? { FifoQueue: 'true' } : {}
    const answer = await client.call('CreateQueue', { QueueName, Attributes })
    if (answer.kind !== 'answer' || answer.status !== 200) throw new Error(`no queue: ${JSON.stringify(answer)}`)
  }
  await client.createTopic('sim-sns')
  await client.subscribe('sim-sns', 'sim-sns')
  client.drop()
}

/** Every message in the queues of the clients. AMQP's has its own name in the store. */
async function lookAt({ engine }: Incarnation): Promise<Seen> {
  const messages: SeenMessage[] = []
  const decoder = new TextDecoder()
  for (const { queue } of await engine.measure()) {
    if (!QUEUES.some((name) => queue.endsWith(name))) continue
    const name = QUEUES.find((known) => queue.endsWith(known)) as string
    for (let cursor: string | undefined; ; ) {
      const page = await engine.browse({
        queue,
        states: STATES,
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      })
      for (const { content, state, sequence, deliveries } of page.messages) {
        const body = decoder.decode(content.body)
        messages.push({ key: body.slice(0, body.indexOf('|')), queue: name, state, sequence, deliveries, body })
      }
      cursor = page.cursor
      if (cursor === undefined) break
    }
  }
  return { messages, records: new Map() }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
