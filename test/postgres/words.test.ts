/** What brokers of a store tell each other, over a carrier that the test watches. */
import { describe, expect, it } from 'vitest'
import { Words } from '../../src/engine/postgres/words.ts'
import type { MessageId } from '../../src/model/message.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

const id = (text: string): MessageId => text as MessageId

/** Brokers that hear each other, as NOTIFY would have it: each payload reaches all, its sender, too. */
function brokers(count: number) {
  const clock = new VirtualClock()
  const statements: string[][] = []
  const all = Array.from({ length: count }, () => new Words())
  const send = async (payloads: readonly string[]): Promise<void> => {
    statements.push([...payloads])
    for (const payload of payloads) for (const words of all) words.heard(payload)
  }
  all.forEach((words, i) => {
    words.carriedBy({ epoch: i + 1, clock, send })
    words.others = count - 1
  })
  const settle = async (ms = 0): Promise<void> => {
    await clock.advance(ms)
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
  return { all, clock, statements, settle }
}

describe('words between brokers', () => {
  it('carry a broadcast to all others, and not back', async () => {
    const { all, settle } = brokers(3)
    const heard: string[] = []
    for (const [i, words] of all.entries()) {
      words.hear((channel, data) => heard.push(`${i} ${channel} ${Buffer.from(data)}`))
    }
    all[0]?.broadcast('a channel\n', Buffer.from('news'))
    await settle()
    expect(heard.sort()).toEqual(['1 a channel\n news', '2 a channel\n news'])
  })

  it('tell of a message only where it is followed, until nobody asks any more', async () => {
    const { all, settle, statements } = brokers(2)
    const [one, two] = all as [Words, Words]
    one.changed(id('quiet'))
    await settle(100)
    expect(statements).toEqual([])
    let told = 0
    const end = two.follow(id('m'), () => told++)
    await settle(100)
    one.changed(id('m'))
    await settle(100)
    expect(told).toBe(1)
    end()
    await settle(20_000)
    one.tick()
    const before = statements.length
    one.changed(id('m'))
    await settle(100)
    expect([told, statements.length]).toEqual([1, before])
  })

  it('answer who asks just after the change', async () => {
    const { all, settle } = brokers(2)
    const [one, two] = all as [Words, Words]
    let told = 0
    one.changed(id('m'))
    two.follow(id('m'), () => told++)
    await settle(100)
    expect(told).toBe(1)
  })

  it('tell a broker that joins what was followed before', async () => {
    const { all, settle } = brokers(2)
    const [one, two] = all as [Words, Words]
    two.others = 0
    let told = 0
    two.follow(id('m'), () => told++)
    await settle(100)
    two.others = 1
    await settle(100)
    one.changed(id('m'))
    await settle(100)
    expect(told).toBe(1)
  })

  it('follow on for as long as it takes', async () => {
    const { all, settle } = brokers(2)
    const [one, two] = all as [Words, Words]
    let told = 0
    two.follow(id('m'), () => told++)
    for (let s = 0; s < 60; s++) {
      await settle(1_000)
      for (const words of all) words.tick()
    }
    one.changed(id('m'))
    await settle(100)
    expect(told).toBe(1)
  })

  it('go together in one statement, at most 20 times a second', async () => {
    const { all, settle, statements } = brokers(2)
    const [one] = all as [Words]
    let heard = 0
    all[1]?.hear(() => heard++)
    for (let ms = 0; ms < 1_000; ms++) {
      one.broadcast(`c${ms}`, new Uint8Array(100))
      await settle(1)
    }
    await settle(100)
    expect(heard).toBe(1_000)
    expect(statements.length).toBeLessThanOrEqual(22)
    for (const payload of statements.flat()) expect(payload.length).toBeLessThan(8_000)
  })
})
