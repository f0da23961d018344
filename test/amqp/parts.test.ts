import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Confirms } from '../../src/frontends/amqp/confirms.ts'
import { AmqpFault } from '../../src/frontends/amqp/fault.ts'
import { storeName, wireName } from '../../src/frontends/amqp/names.ts'
import { Unacked } from '../../src/frontends/amqp/unacked.ts'
import type { MessageId, Receipt } from '../../src/model/message.ts'

describe('unanswered deliveries', () => {
  type Command = { take: number } | { through: number } | { add: number } | { skip: true } | { putBack: true }
  const command: fc.Arbitrary<Command> = fc.oneof(
    { weight: 4, arbitrary: fc.nat(80).map((add) => ({ add })) },
    { weight: 4, arbitrary: fc.nat(300).map((take) => ({ take })) },
    { weight: 1, arbitrary: fc.nat(300).map((through) => ({ through })) },
    { weight: 2, arbitrary: fc.constant({ skip: true as const }) },
    { weight: 1, arbitrary: fc.constant({ putBack: true as const }) },
  )

  it('are found by tag like in a plain map, whatever is answered in whatever order', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const real = new Unacked<string>()
        const plain = new Map<number, string>()
        let next = 1
        let last: [number, string] | undefined
        for (const step of commands) {
          if ('add' in step) {
            for (let i = 0; i < step.add; i++) {
              const tag = real.add(`r${next}` as Receipt, `i${next}` as MessageId, undefined)
              expect(tag).toBe(next)
              plain.set(next, `r${next}`)
              next++
            }
          } else if ('skip' in step) expect(real.skip()).toBe(next++)
          else if ('take' in step) {
            const taken: [number, string][] = []
            const known = real.take(step.take, (receipt, _id, _consumer, tag) => taken.push([tag, receipt]))
            const expected = plain.get(step.take)
            plain.delete(step.take)
            expect(known).toBe(expected !== undefined)
            expect(taken).toEqual(expected === undefined ? [] : [[step.take, expected]])
            last = taken[0] ?? last
          } else if ('through' in step) {
            const taken: number[] = []
            const known = real.takeThrough(step.through, (_receipt, _id, _consumer, tag) => taken.push(tag))
            const upTo = step.through === 0 ? next - 1 : step.through
            const expected = step.through >= next ? [] : [...plain.keys()].filter((tag) => tag <= upTo)
            for (const tag of expected) plain.delete(tag)
            expect(taken.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b))
            expect(known).toBe(expected.length > 0)
          } else if (last !== undefined && !plain.has(last[0])) {
            real.restore(last[0], { receipt: last[1] as Receipt, id: 'i' as MessageId, consumer: undefined })
            plain.set(...last)
          }
          expect(real.size).toBe(plain.size)
        }
      }),
    )
  })

  it('do not keep the space of what came after one that is never answered', () => {
    const unacked = new Unacked<string>()
    unacked.add('stuck' as Receipt, 'i' as MessageId, undefined)
    for (let i = 2; i < 200_000; i++) {
      unacked.add('r' as Receipt, 'i' as MessageId, undefined)
      unacked.take(i, () => {})
    }
    expect(unacked.capacity).toBeLessThanOrEqual(128)
    expect(unacked.take(1, (receipt) => expect(receipt).toBe('stuck'))).toBe(true)
  })
})

describe('confirms', () => {
  function told(settle: (confirms: Confirms) => void): string[] {
    const said: string[] = []
    const confirms = new Confirms()
    settle(confirms)
    confirms.drain({
      ack: (tag, multiple) => said.push(multiple ? `ack ..${tag}` : `ack ${tag}`),
      nack: (tag) => said.push(`nack ${tag}`),
    })
    return said
  }

  it('are one ack for all that is settled in a row', () => {
    expect(
      told((confirms) => {
        for (const count of [3, 4, 1]) confirms.open(count).settled = true
        confirms.open(2)
      }),
    ).toEqual(['ack ..8'])
  })

  it('wait for what was published before', () => {
    expect(
      told((confirms) => {
        confirms.open(1)
        confirms.open(1).settled = true
      }),
    ).toEqual([])
  })

  it('name each refused publish by itself', () => {
    expect(
      told((confirms) => {
        const run = confirms.open(5)
        run.settled = true
        run.refused = [0, 3]
      }),
    ).toEqual(['nack 1', 'ack ..3', 'nack 4', 'ack 5'])
  })
})

describe('names', () => {
  it('of two virtual hosts never meet, and come back', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (vhost, name, otherVhost, otherName) => {
        fc.pre(!name.startsWith('vhost:') && !otherName.startsWith('vhost:'))
        const stored = storeName(vhost, name)
        expect(wireName(stored)).toEqual({ vhost, name })
        if (vhost !== otherVhost || name !== otherName) expect(storeName(otherVhost, otherName)).not.toBe(stored)
      }),
    )
    expect(() => storeName('/', 'vhost:a/q')).toThrow(AmqpFault)
  })
})

describe('reply texts', () => {
  it('are cut to 255 bytes between characters', () => {
    const text = new AmqpFault(404, 'é'.repeat(300)).replyText
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(255)
    expect(text.endsWith('é')).toBe(true)
  })
})
