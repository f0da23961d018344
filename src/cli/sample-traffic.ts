/** Queues to look at, and something that happens in them: a shop that takes orders, works them off, and fails now and then. */
import { randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Port } from '../client/port.ts'
import { encodeContent } from '../model/content.ts'
import type { ServeSettings } from '../server/settings.ts'

const EVERY_MS = 250
/** One in this many orders cannot be worked off. */
const FAILS_EVERY = 25
const PAPER = Buffer.from('the printer is out of paper')
const PRODUCTS = ['tea', 'coffee', 'cocoa', 'mate']

export const sampleDeclarations: ServeSettings['declarations'] = {
  queues: new Map([
    ['orders', { leaseMs: 10_000, attemptsMax: 3, onDeath: { kind: 'deadLetter', queue: 'orders-dead' } as const }],
    ['orders-dead', {}],
    ['mail', {}],
    ['reports', { delayMs: 5_000 }],
  ]),
  exchanges: new Map([['shop.events', { kind: 'topic' as const }]]),
  topics: new Map([['news', { subscriptions: [{ queue: 'mail' }] }]]),
  bindings: [
    { exchange: 'shop.events', queue: 'orders', key: 'order.#' },
    { exchange: 'shop.events', queue: 'reports', key: 'order.paid' },
  ],
}

export interface SampleTraffic {
  stop(): Promise<void>
}

export function startSampleTraffic(port: Port): SampleTraffic {
  const ended = new AbortController()
  const rest = async (ms: number): Promise<void> => {
    await pause(ms, undefined, { signal: ended.signal }).catch(() => {})
  }
  const produce = async (): Promise<void> => {
    for (let number = 1; !ended.signal.aborted; number++) {
      const order = {
        number,
        product: PRODUCTS[number % PRODUCTS.length],
        pieces: randomInt(1, 9),
        broken: number % FAILS_EVERY === 0,
      }
      const content = encodeContent(order, { type: 'order' })
      await port.publish('shop.events', [{ content, routing: { key: number % 3 === 0 ? 'order.paid' : 'order.new' } }])
      if (number % 10 === 0) {
        await port.publish('news', [{ content: encodeContent(`${number} orders so far`, { type: 'news' }) }])
      }
      await rest(EVERY_MS)
    }
  }
  const consume = async (queue: string): Promise<void> => {
    while (!ended.signal.aborted) {
      const deliveries = await port.receive({ queue, max: 5, waitMs: 20_000 }, ended.signal)
      await rest(randomInt(50, 300))
      await port.settle(
        deliveries.map(({ receipt, content }) => ({
          receipt,
          how: Buffer.from(content.body).includes('"broken":true')
            ? { kind: 'release' as const, delayMs: 2_000, spend: true, note: PAPER }
            : { kind: 'ack' as const },
        })),
      )
    }
  }
  const running = [produce(), consume('orders'), consume('mail'), consume('reports')]
  return {
    async stop() {
      ended.abort()
      await Promise.allSettled(running)
    },
  }
}
