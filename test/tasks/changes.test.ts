import { expect, it } from 'vitest'
import type { Port } from '../../src/broker/port.ts'
import { Changes } from '../../src/tasks/changes.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

const BEAT_MS = 5_000

function waiting(): { changes: Changes; clock: VirtualClock; hear: () => void; miss: () => void; ended: () => number } {
  const clock = new VirtualClock()
  let listener: Parameters<Port['listen']> | undefined
  let ends = 0
  const listen: Port['listen'] = (...args) => {
    listener = args
    return () => ends++
  }
  const changes = new Changes({ port: { listen }, clock, channels: ['message/1'], beatMs: BEAT_MS })
  return {
    changes,
    clock,
    hear: () => listener?.[1](new Uint8Array(0)),
    miss: () => listener?.[2]?.(),
    ended: () => ends,
  }
}

it('looks at once when something was announced, or may have been while nobody could hear', async () => {
  for (const event of ['hear', 'miss'] as const) {
    const { changes, clock, [event]: happens, ended } = waiting()
    const next = changes.next()
    happens()
    await next
    // Between two looks, too.
    happens()
    await changes.next()
    expect(clock.monotonicMs()).toBe(new VirtualClock().monotonicMs())
    changes.end()
    expect(ended()).toBe(1)
  }
})

it('looks after a beat when nothing was heard', async () => {
  const { changes, clock } = waiting()
  const next = changes.next()
  await clock.advance(BEAT_MS)
  await next
  changes.close()
  await expect(changes.next()).rejects.toMatchObject({ code: 'closed' })
})
