import { describe, expect, it } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Receipt } from '../../src/model/message.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { seededRandom } from '../../src/runtime/random.ts'
import { FaultDisk, type FaultKind } from '../../src/testing/fault-disk.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { declareQueues, longRun, look, makeStore, type Opened, openStore, textOf } from './store.ts'
import { verify } from './verify.ts'
import { Workload } from './workload.ts'

const FAILURES = 500

describe('a failing disk', () => {
  for (const kind of ['write', 'sync', 'any'] as const)
    it(`the n-th ${kind} fails: nothing is acknowledged from then on, every call says poisoned, a reopen recovers`, async () => {
      const step = longRun ? 1 : 23
      for (let n = 1 + (kind.length % step); n <= FAILURES; n += step) await failNth(n, kind)
    }, 3_600_000)

  it('a failed sync is never tried again', async () => {
    const disk = new FaultDisk()
    const { engine } = await openStore(disk)
    await declareQueues(engine)
    const workload = new Workload(seededRandom(5))
    for (let bursts = 0; bursts < 5; bursts++) await workload.burst(engine)
    disk.failNth(1, 'sync')
    while (disk.faults === 0) await workload.burst(engine)
    const { sync } = disk.calls
    for (let bursts = 0; bursts < 20; bursts++) await workload.burst(engine)
    await engine.close()
    expect(disk.calls.sync).toBe(sync)
  })

  it('leaves pages that no later sync writes: whoever finds them after a restart writes them again', async () => {
    let found = 0
    for (let n = 1; n <= 90; n += longRun ? 1 : 2) {
      const disk = new FaultDisk()
      const workload = new Workload(seededRandom(n))
      const { engine } = await openStore(disk)
      await declareQueues(engine)
      disk.failNth(n, 'sync')
      while (disk.faults === 0) await workload.burst(engine)
      await engine.close()
      // The process is started again on the same machine: it reads what never reached the disk.
      const restarted = disk.crash()
      const { engine: again } = await openStore(restarted)
      const seen = await look(again)
      found += seen.messages.length
      await again.commit([{ ops: [{ kind: 'record', key: 'after', value: Buffer.from('acknowledged') }] }])
      const { engine: last } = await openStore(restarted.powerCut({ mode: 'lost' }))
      const { messages, records } = await look(last)
      expect(messages, `sync ${n}`).toEqual(seen.messages)
      expect(records.get('after')).toBe('acknowledged')
      await last.close()
    }
    expect(found).toBeGreaterThan(0)
  })
})

async function failNth(n: number, kind: FaultKind): Promise<void> {
  const disk = new FaultDisk()
  const workload = new Workload(seededRandom(n))
  const random = seededRandom(n)
  disk.failNth(n, kind)
  const { engine } = makeStore(disk)
  let opened = true
  await engine
    .open()
    .then(() => declareQueues(engine))
    .catch(() => {
      opened = false
    })
  while (opened && disk.faults === 0 && workload.operations < 3_000) await workload.burst(engine)
  expect(disk.faults, `${kind} ${n}`).toBe(1)
  if (opened) {
    const answeredAt = workload.log.now
    const answers = [...workload.log.sends.values()].filter(({ answer }) => answer?.kind === 'stored').length
    for (let bursts = 0; bursts < 3; bursts++) await workload.burst(engine)
    const poisoned = { code: 'poisoned' }
    await expect(
      engine.commit([{ ops: [{ kind: 'record', key: 'after', value: Buffer.from('x') }] }]),
    ).rejects.toMatchObject(poisoned)
    await expect(engine.lease({ queue: 'plain', max: 1, lease: { kind: 'clock' } })).rejects.toMatchObject(poisoned)
    await expect(engine.measure()).rejects.toMatchObject(poisoned)
    expect([...workload.log.sends.values()].filter(({ answer }) => answer?.kind === 'stored')).toHaveLength(answers)
    expect(workload.log.deliveries.every(({ at }) => at <= answeredAt)).toBe(true)
    expect(new Set(workload.faults)).toEqual(new Set(['poisoned']))
  }
  await engine.close()
  const at = workload.log.now
  for (const mode of ['lost', 'torn'] as const) {
    const cut = disk.powerCut({ random, mode })
    if (opened) expect(await verify(workload, { disk: cut, fault: 'power cut', at }), `${kind} ${n}`).toEqual([])
    else await openStore(cut).then((again) => again.engine.close())
  }
  if (opened) expect(await verify(workload, { disk: disk.crash(), fault: 'power cut', at }), `${kind} ${n}`).toEqual([])
}

describe('a full disk', () => {
  it('is never reported of one that is not full, however callers compete for room', async () => {
    for (const seed of [45, 76, 198, 263]) {
      const { engine } = await openStore(new FaultDisk())
      await declareQueues(engine)
      const workload = new Workload(seededRandom(seed))
      while (workload.operations < 1_000) await workload.burst(engine)
      expect(workload.faults, `seed ${seed}`).toEqual([])
      await engine.close()
    }
  })

  it('aborts a unit whose required append has no room, and harms nothing else', async () => {
    const disk = new FaultDisk()
    const { engine, clock } = await openStore(disk)
    await declareQueues(engine)
    await clock.advance(0)
    disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
    const append = (text: string) =>
      ({
        kind: 'append',
        queue: 'plain',
        message: { content: { body: Buffer.from(text.padEnd(4_000)), head: new Uint8Array(0) } },
      }) as const
    let kind: string | undefined
    while (kind !== 'refused')
      [kind] = (await engine.commit([{ ops: [append('filler|')] }]))[0]?.map((one) => one.kind) ?? []
    const record = { kind: 'record', key: 'with it', value: Buffer.from('x') } as const
    const [outcomes] = await engine.commit([{ ops: [record, { ...append('required|'), required: true }] }])
    expect(outcomes).toEqual([{ kind: 'aborted' }, { kind: 'refused', reason: 'disk-full' }])
    expect(await engine.read('with it')).toBeUndefined()
    expect(await engine.lease({ queue: 'plain', max: 1, lease: { kind: 'clock' } })).toHaveLength(1)
    await engine.close()
  })

  it('refuses settles too when the space held back is used up, and goes on when some comes back', async () => {
    const disk = new FaultDisk()
    const { engine, clock } = await openStore(disk)
    await declareQueues(engine)
    const message = { content: { body: Buffer.from('one|'), head: new Uint8Array(0) } }
    await engine.commit([{ ops: [{ kind: 'append', queue: 'plain', message }] }])
    await clock.advance(0)
    disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
    expect(await useUpReserve(engine)).toBe('disk-full')
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await clock.advance(60_000)
    expect(await engine.lease({ queue: 'plain', max: 1, lease: { kind: 'clock' } })).toHaveLength(1)
    await engine.close()
    const { engine: again } = await openStore(disk.powerCut({ mode: 'lost' }))
    expect((await look(again)).messages).toHaveLength(1)
    await again.close()
  })

  it('lets living holders live on when the space held back is used up, and only them', async () => {
    const disk = new FaultDisk()
    const { engine, clock } = await openStore(disk)
    await declareQueues(engine)
    for (const text of ['held|', 'lost|', 'free|']) {
      const message = { content: { body: Buffer.from(text), head: new Uint8Array(0) } }
      await engine.commit([{ ops: [{ kind: 'append', queue: 'plain', message }] }])
    }
    const take = (holder: string) => engine.lease({ queue: 'plain', max: 1, lease: { kind: 'holder', holder } })
    const [held] = await take('living')
    await take('lapsed')
    await engine.renewHolder('living', 30_000)
    await engine.renewHolder('lapsed', 30_000)
    await clock.advance(0)
    disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
    expect(await useUpReserve(engine)).toBe('disk-full')

    for (let round = 0; round < 6; round++) {
      await clock.advance(20_000)
      await engine.renewHolder('living', 30_000)
    }
    await expect(engine.renewHolder('lapsed', 30_000)).rejects.toMatchObject({ code: 'disk-full' })
    await expect(engine.lease({ queue: 'plain', max: 1, lease: { kind: 'clock' } })).rejects.toMatchObject({
      code: 'disk-full',
    })
    // Reading goes on.
    expect(await engine.measure(['plain'])).toEqual([expect.objectContaining({ queue: 'plain', leased: 2, ready: 1 })])

    disk.capacityBytes = Number.POSITIVE_INFINITY
    for (let round = 0; round < 3; round++) {
      await clock.advance(20_000)
      await engine.renewHolder('living', 30_000)
    }
    const others = await engine.lease({ queue: 'plain', max: 10, lease: { kind: 'clock' } })
    expect(others.map(({ content }) => textOf(content.body)).sort()).toEqual(['free|', 'lost|'])
    const ack = { kind: 'settle', receipt: held?.receipt as Receipt, how: { kind: 'ack' } } as const
    expect(await engine.commit([{ ops: [ack] }])).toEqual([[expect.objectContaining({ kind: 'settled' })]])
    await engine.close()
  })

  it('refuses appends, goes on with leases and acks, and resumes by itself', async () => {
    const points = longRun ? 200 : 12
    for (let point = 0; point < points; point++) {
      const random = seededRandom(1_000 + point)
      const disk = new FaultDisk()
      const { engine, clock } = await openStore(disk)
      await declareQueues(engine)
      const workload = new Workload(random)
      const bursts = Math.floor((point / points) * 120)
      for (let burst = 0; burst < bursts; burst++) await workload.burst(engine)
      await clock.advance(0)
      disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0) + Math.floor(random.float() * 70_000)
      for (let burst = 0; burst < 400 && !workload.faults.includes('disk-full'); burst++) await workload.burst(engine)
      expect(new Set(workload.faults), `point ${point}`).toEqual(new Set(['disk-full']))

      // Receiving and settling go on.
      const settled: string[] = []
      for (let round = 0; round < 20; round++) {
        const taken = await engine.lease({ queue: 'plain', max: 5, lease: { kind: 'clock' } })
        const units = taken.map(({ receipt }) => ({
          ops: [{ kind: 'settle', receipt, how: { kind: 'ack' } } as const],
        }))
        for (const [outcome] of await engine.commit(units)) settled.push(outcome?.kind ?? '')
        if (taken.length === 0) break
      }
      expect(new Set(settled), `point ${point}`).toEqual(settled.length > 0 ? new Set(['settled']) : new Set())
      const left = await look(engine)

      // Space comes back.
      disk.capacityBytes = Number.POSITIVE_INFINITY
      await clock.advance(20_000)
      const append = {
        kind: 'append',
        queue: 'plain',
        message: { content: { body: Buffer.from('resumed|'), head: new Uint8Array(0) } },
      } as const
      const [outcomes] = await engine.commit([{ ops: [append] }])
      expect(outcomes?.[0]?.kind, `point ${point}`).toBe('stored')
      const { engine: again } = await openStore(disk.powerCut({ mode: 'lost' }))
      const after = await look(again)
      const keys = (seen: typeof left): string[] =>
        seen.messages.filter(({ queue, key }) => queue !== 'loose' && key !== 'resumed').map(({ key }) => key)
      expect(keys(after).sort()).toEqual(keys(left).sort())
      expect(after.messages.some(({ key }) => key === 'resumed')).toBe(true)
      await again.close()
      await engine.close()
    }
  }, 3_600_000)
})

function codeOf(fault: unknown): string {
  return (fault as { code: string }).code
}

/** Releases take and take, and give nothing back. Returns the code of the first refusal. */
async function useUpReserve(engine: Engine): Promise<string | undefined> {
  let code: string | undefined
  for (let round = 0; code === undefined && round < 20_000; round++) {
    const [held] = await engine.lease({ queue: 'plain', max: 1, lease: { kind: 'clock' } }).catch((error) => {
      code = error.code
      return []
    })
    if (held === undefined) continue
    const settle = {
      kind: 'settle',
      receipt: held.receipt,
      how: { kind: 'release', note: Buffer.alloc(500) },
    } as const
    await engine.commit([{ ops: [settle] }]).catch((error) => {
      code = error.code
    })
  }
  return code
}

describe('the space held back for a full disk', () => {
  const SENT = 600
  const MANY = 12_000

  /** Many messages, and a disk that took its last byte. */
  async function full(count = SENT) {
    const disk = new FaultDisk()
    const { engine, clock } = await openStore(disk)
    await declareQueues(engine)
    const message = { content: { body: Buffer.from('one|'), head: new Uint8Array(0) } }
    for (let sent = 0; sent < count; sent += 100) {
      await engine.commit(
        Array.from({ length: 100 }, () => ({ ops: [{ kind: 'append', queue: 'plain', message } as const] })),
      )
    }
    await clock.advance(0)
    disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
    return { disk, engine, clock }
  }

  async function leased(engine: Opened['engine']): Promise<Receipt[]> {
    const receipts: Receipt[] = []
    for (;;) {
      const taken = await engine.lease({ queue: 'plain', max: SENT, lease: { kind: 'clock' } })
      if (taken.length === 0) return receipts
      receipts.push(...taken.map(({ receipt }) => receipt))
    }
  }

  async function provesSound({ disk, engine, clock }: Awaited<ReturnType<typeof full>>): Promise<void> {
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await clock.advance(20_000)
    const { messages } = await look(engine)
    await engine.close()
    const { engine: again } = await openStore(disk.powerCut({ mode: 'lost' }))
    expect((await look(again)).messages).toHaveLength(messages.length)
    await again.close()
  }

  it('outlives a batch of settles that it cannot take', async () => {
    const store = await full()
    const receipts = await leased(store.engine)
    expect(receipts).toHaveLength(SENT)
    const how = { kind: 'release', note: Buffer.alloc(2_000) } as const
    const batch = receipts.map((receipt) => ({ ops: [{ kind: 'settle', receipt, how } as const] }))
    await expect(store.engine.commit(batch)).rejects.toMatchObject({ code: 'disk-full' })
    await provesSound(store)
  })

  it('outlives a unit of settles that it cannot take, and does nothing of it', async () => {
    const store = await full()
    const receipts = await leased(store.engine)
    const how = { kind: 'ack', keep: Buffer.alloc(1_000) } as const
    const ops = receipts.map((receipt) => ({ kind: 'settle', receipt, how }) as const)
    await expect(store.engine.commit([{ ops }])).rejects.toMatchObject({ code: 'disk-full' })
    await provesSound(store)
  })

  it('outlives an extend that it cannot take', async () => {
    const store = await full()
    const receipts = await leased(store.engine)
    const many = Array.from({ length: 20 }, () => receipts).flat()
    await expect(store.engine.extend(many, 60_000)).rejects.toMatchObject({ code: 'disk-full' })
    await provesSound(store)
  })

  for (const how of ['release', 'lapse'] as const)
    it(`outlives the end of a holder with very many leases, by its ${how}`, async () => {
      const store = await full(MANY)
      const { engine, clock } = store
      const lease = { kind: 'holder', holder: 'worker' } as const
      // Taken while there was room; their ends are more than what is held back.
      store.disk.capacityBytes = Number.POSITIVE_INFINITY
      for (let held = 0; held < MANY; held += 500)
        expect(await engine.lease({ queue: 'plain', max: 500, lease })).toHaveLength(500)
      await clock.advance(0)
      store.disk.capacityBytes = store.disk.files().reduce((sum, { bytes }) => sum + bytes, 0)
      await engine.renewHolder('worker', 30_000)
      const code = how === 'release' ? await engine.releaseHolder('worker').then(() => '', codeOf) : ''
      await clock.advance(60_000)
      for (let turn = 0; turn < 50; turn++) await engine.tick(1_000).catch(() => {})
      expect(['', 'disk-full']).toContain(code)
      store.disk.capacityBytes = Number.POSITIVE_INFINITY
      await clock.advance(60_000)
      for (let turn = 0; turn < 50; turn++) await engine.tick(1_000)
      expect(await engine.measure(['plain'])).toEqual([expect.objectContaining({ ready: MANY, leased: 0 })])
      await provesSound(store)
    })

  it('outlives copies that give segments back', async () => {
    for (let slack = 0; slack <= 160_000; slack += 20_000) {
      const disk = new FaultDisk()
      const { engine, clock } = await openStore(disk)
      await declareQueues(engine)
      const content = { body: Buffer.alloc(400, 'x'), head: new Uint8Array(0) }
      const send = (count: number) =>
        engine.commit(
          Array.from({ length: count }, () => ({
            ops: [{ kind: 'append', queue: 'plain', message: { content } } as const],
          })),
        )
      for (let sent = 0; sent < 800; sent += 50) await send(50)
      const taken = await engine.lease({ queue: 'plain', max: 800, lease: { kind: 'clock' } })
      await clock.advance(0)
      disk.capacityBytes = disk.files().reduce((sum, { bytes }) => sum + bytes, 0) + slack
      for (let from = 0; from < taken.length; from += 50) {
        const acked = taken.slice(from, from + 50).filter((_, i) => i % 4 !== 0)
        const units = acked.map(({ receipt }) => ({
          ops: [{ kind: 'settle', receipt, how: { kind: 'ack' } } as const],
        }))
        const codes = [await engine.commit(units).then(() => '', codeOf), await send(20).then(() => '', codeOf)]
        for (const code of codes) expect(['', 'disk-full'], `slack ${slack}`).toContain(code)
        await clock.advance(0)
      }
      await provesSound({ disk, engine, clock })
    }
  })

  it('lets the folder be opened, read and closed again and again when it is used up, and resumes', async () => {
    let { disk, engine } = await full()
    expect(await useUpReserve(engine)).toBe('disk-full')
    for (let kill = 0; kill < 20; kill++) {
      disk = disk.crash()
      const clock = new VirtualClock()
      const opened = makeStore(disk, clock)
      const broker = new Broker({ engine: opened.engine, clock, log: silentLog })
      await broker.start()
      const [measured] = await broker.measure(['plain'])
      expect((measured?.ready ?? 0) + (measured?.leased ?? 0)).toBe(SENT)
      const code = await broker.receive({ queue: 'plain', max: 1 }).then(() => '', codeOf)
      expect(code).toBe('disk-full')
      if (kill % 2 === 0) await broker.close()
    }
    disk = disk.crash()
    disk.capacityBytes = Number.POSITIVE_INFINITY
    const { engine: again, clock } = await openStore(disk)
    await clock.advance(60_000)
    expect(await again.lease({ queue: 'plain', max: 1, lease: { kind: 'clock' } })).toHaveLength(1)
    await again.close()
  })

  it('outlives the end of all leases at one instant', async () => {
    const store = await full()
    expect(await leased(store.engine)).toHaveLength(SENT)
    await store.clock.advance(60_000)
    await store.engine.tick(100_000)
    await provesSound(store)
  })
})
