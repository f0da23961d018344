import { open, type Spindle } from 'spindle-mq'
import { VirtualClock } from 'spindle-mq/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Controller } from '../../src/autoscale/controller.ts'
import { figuresOf, poolsAsPrometheus } from '../../src/autoscale/figures.ts'
import { poolDefaults } from '../../src/autoscale/policy.ts'
import { Pool } from '../../src/autoscale/pool.ts'
import { readScalings, writeScaling } from '../../src/autoscale/scaling-log.ts'
import type { Order, Target } from '../../src/autoscale/targets/target.ts'
import type { Log } from '../../src/runtime/log.ts'

/** A fleet that is there as soon as it is wanted; `hold` makes an order take until it is let go. */
class Recorder implements Target {
  readonly orders: Order[] = []
  hold: Promise<void> | undefined
  stopped = false

  fleet() {
    return { ready: this.orders.at(-1)?.wanted ?? 0, starting: 0, leaving: 0, startUpMs: 0 }
  }
  async apply(order: Order): Promise<void> {
    this.orders.push(order)
    await this.hold
  }
  async stop(): Promise<void> {
    this.stopped = true
  }
}

let clock: VirtualClock
let spindle: Spindle
let warnings: string[]
let log: Log
const targets = { mail: new Recorder(), reports: new Recorder() }
const wishes = (name: keyof typeof targets): number[] => targets[name].orders.map(({ wanted }) => wanted)

beforeEach(async () => {
  clock = new VirtualClock()
  spindle = await open('memory:', { clock })
  warnings = []
  log = { info() {}, warn: (message) => warnings.push(message), error() {} }
  targets.mail = new Recorder()
  targets.reports = new Recorder()
})
afterEach(() => spindle.close())

const controllerOf = (
  port: Pick<Spindle['port'], 'measure'> = spindle.port,
  history?: Pick<Spindle['port'], 'scan' | 'transact'>,
): Controller => {
  const pool = (queue: keyof typeof targets, settings: object): Pool =>
    new Pool({ queue, settings: { ...poolDefaults, slots: 1, ...settings }, target: targets[queue], log })
  const pools = [pool('mail', { min: 1, max: 5 }), pool('reports', { min: 0, max: 3, targetLatencyMs: 60_000 })]
  return new Controller({ port, pools, clock, log, pollMs: 1_000, ...(history && { history }) })
}

describe('the controller', () => {
  it('scales each queue on its own, out and in', async () => {
    const mail = await spindle.queue<string>('mail', { leaseMs: 600_000 })
    await spindle.queue('reports')
    const controller = controllerOf()
    controller.start()
    await clock.advance(1_000)
    expect([wishes('mail'), wishes('reports')]).toEqual([
      [1, 1],
      [0, 0],
    ])
    await mail.sendMany(Array.from({ length: 500 }, () => ({ body: 'hi' })))
    await clock.advance(2_000)
    expect([wishes('mail').at(-1), wishes('reports').at(-1)]).toEqual([5, 0])
    expect(controller.views()[0]).toMatchObject({ waiting: 500, inFlight: 0, wanted: 5, looks: 4 })
    await mail.purge()
    await clock.advance(120_000)
    expect([wishes('mail').at(-1), wishes('reports').at(-1)]).toEqual([1, 0])
    await controller.stop()
    expect([targets.mail.stopped, targets.reports.stopped]).toEqual([true, true])
    const looks = wishes('mail').length
    await clock.advance(10_000)
    expect(wishes('mail')).toHaveLength(looks)
  })

  it('writes down each change of mind with its reason, for people to look at', async () => {
    const mail = await spindle.queue<string>('mail', { leaseMs: 600_000 })
    const controller = controllerOf(spindle.port, spindle.port)
    controller.start()
    await mail.sendMany(Array.from({ length: 500 }, () => ({ body: 'hi' })))
    await clock.advance(2_000)
    await mail.purge()
    await clock.advance(120_000)
    await controller.stop()
    const scalings = await readScalings(spindle.port, 10)
    expect(scalings.at(-1)).toMatchObject({ queue: 'mail', from: 0, to: 1, waiting: 0 })
    expect(scalings).toContainEqual(expect.objectContaining({ from: 1, to: 5, reason: 'pace', waiting: 500 }))
    expect(scalings[0]).toMatchObject({ to: 1, reason: 'idle', waiting: 0 })
    expect(scalings.map(({ atMs }) => atMs)).toEqual(scalings.map(({ atMs }) => atMs).sort((a, b) => b - a))
    for (let n = 1; n < scalings.length; n++) expect(scalings[n]?.to).toBe(scalings[n - 1]?.from)
  })

  it('keeps the latest hundred decisions of each queue', async () => {
    for (let atMs = 0; atMs < 150; atMs++)
      await writeScaling(spindle.port, { atMs, queue: 'mail', from: atMs, to: atMs + 1, reason: 'pace', waiting: 0 })
    await writeScaling(spindle.port, { atMs: 7, queue: 'mail/eu', from: 0, to: 1, reason: 'pace', waiting: 0 })
    const mail = (await readScalings(spindle.port, 500)).filter(({ queue }) => queue === 'mail')
    expect(mail.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 100 }, (_, n) => 149 - n))
    expect((await readScalings(spindle.port, 500)).length).toBe(101)
  })

  it('decides on although nothing can be written down', async () => {
    const history = { ...spindle.port, scan: () => Promise.reject(new Error('no records today')) }
    const controller = controllerOf(spindle.port, history as unknown as Spindle['port'])
    controller.start()
    await clock.advance(3_000)
    expect(wishes('mail')).toEqual([1, 1, 1, 1])
    expect(warnings).toContain('a decision could not be written down')
    await controller.stop()
  })

  it('makes one decision at a time', async () => {
    let letGo = (): void => {}
    targets.mail.hold = new Promise((resolve) => {
      letGo = resolve
    })
    const controller = controllerOf()
    controller.start()
    await clock.advance(5_000)
    expect(targets.mail.orders).toHaveLength(1)
    expect(targets.reports.orders).toHaveLength(6)
    letGo()
    await clock.advance(1_000)
    expect(targets.mail.orders).toHaveLength(2)
    await controller.stop()
  })

  it('leaves workers as they are while the store cannot be asked, and says so once', async () => {
    let isDown = false
    const controller = controllerOf({
      measure: (queues) => (isDown ? Promise.reject(new Error('no store')) : spindle.port.measure(queues)),
    })
    controller.start()
    await clock.advance(1_000)
    isDown = true
    await clock.advance(5_000)
    expect(wishes('mail')).toEqual([1, 1])
    expect(warnings).toEqual(['the store cannot be measured; workers stay as they are'])
    isDown = false
    await clock.advance(1_000)
    expect(wishes('mail')).toHaveLength(3)
    await controller.stop()
  })

  it('says when an order fails, and repeats it', async () => {
    targets.mail.hold = Promise.reject(new Error('no cluster'))
    const controller = controllerOf()
    controller.start()
    await clock.advance(1_000)
    expect(warnings[0]).toMatch(/pool mail: 1 workers are wanted, but the order failed/)
    expect(wishes('mail')).toEqual([1, 1])
    await controller.stop()
  })
})

describe('the figures', () => {
  it('tell waiting, in flight, age and wish, whatever the queue is called', async () => {
    const name = 'a "b"\\'
    const queue = await spindle.queue<string>(name)
    await queue.send('x')
    await queue.send('y')
    await queue.receive()
    await clock.advance(2_500)
    const pool = new Pool({ queue: name, settings: poolDefaults, target: targets.mail, log })
    const [measure] = await spindle.port.measure([name])
    pool.look(measure, { nowMs: clock.monotonicMs(), wallMs: clock.wallMs() })
    const figures = figuresOf(pool.view)
    expect(figures).toMatchObject({ waiting: 1, inFlight: 1, oldestAgeSeconds: 2.5, wanted: 1, min: 1, max: 10 })
    const text = poolsAsPrometheus([figures])
    expect(text).toContain('spindle_autoscale_waiting_messages{queue="a \\"b\\"\\\\"} 1\n')
    expect(text).toContain('# TYPE spindle_autoscale_wanted_workers gauge\n')
    expect(text.split('\n').filter((line) => line !== '' && !/^(# |\w+\{queue=".*"\} [\d.]+$)/.test(line))).toEqual([])
  })
})
