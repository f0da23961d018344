/** A store with something of everything, and what a checker needs to tell whether it is there again. */
import type { Port } from '../../src/broker/port.ts'
import { encodeContent } from '../../src/model/content.ts'
import type { Clock } from '../../src/runtime/clock.ts'

const message = (body: string, more: object = {}) => ({ content: encodeContent(body, {}), ...more })

/** Counts are the least; `scale` messages are waiting besides. */
export async function fill(port: Port, scale: number): Promise<void> {
  await port.declareQueue('dead-letters', {})
  await port.declareQueue('plain', { attemptsMax: 3, onDeath: { kind: 'deadLetter', queue: 'dead-letters' } })
  await port.declareQueue('held', { leaseMs: 5_000 })
  await port.declareQueue('ordered', { groups: { kind: 'ordered' }, delayMs: 1_000, lengthMax: 10_000 })
  await port.declareQueue('once', { dedup: { kind: 'window', windowMs: 3_600_000 } })
  await port.declareQueue('priorities', { priorityMax: 9, ttlMs: 86_400_000 })
  await port.declareQueue('results', {})
  await port.declareQueue('idle', {}, { lifetime: { kind: 'idle', idleMs: 3_600_000 } })
  await port.declareQueue('exclusive', {}, { lifetime: { kind: 'holder', holder: 'somebody' } })

  await port.append(
    'plain',
    Array.from({ length: scale }, (_, n) => message(`plain ${n}`)),
  )
  // Two that failed once and twice, one under way, one that died and was moved by the store.
  for (const [times, note] of [
    [1, 'first failure'],
    [2, 'second failure'],
  ] as const) {
    for (let time = 0; time < times; time++) {
      const [delivery] = await port.receive({ queue: 'plain', max: 1 })
      if (delivery === undefined) throw new Error('nothing was delivered')
      const how = { kind: 'release', spend: true, delayMs: 3_600_000, note: Buffer.from(note) } as const
      await port.settle([{ receipt: delivery.receipt, how: time < times - 1 ? { ...how, delayMs: 0 } : how }])
    }
  }
  const [dying] = await port.receive({ queue: 'plain', max: 1 })
  if (dying !== undefined) await port.settle([{ receipt: dying.receipt, how: { kind: 'bury', reason: 'broken' } }])
  await port.receive({ queue: 'plain', max: 1, lease: { kind: 'clock', leaseMs: 3_600_000 } })

  await port.append(
    'held',
    Array.from({ length: 5 }, (_, n) => message(`held ${n}`)),
  )
  for (let n = 0; n < 3; n++) {
    const [delivery] = await port.receive({ queue: 'held', max: 1 })
    if (delivery === undefined) throw new Error('nothing was delivered')
    const how = { kind: 'bury', reason: 'invalid', note: Buffer.from(`why ${n}`) } as const
    await port.settle([{ receipt: delivery.receipt, how }])
  }
  await port.append(
    'ordered',
    Array.from({ length: 60 }, (_, n) =>
      message(`step ${n}`, { groupId: `g${n % 3}`, delayMs: n % 2 === 0 ? 0 : 3_600_000 }),
    ),
  )
  await port.append(
    'once',
    Array.from({ length: 10 }, (_, n) => message(`once ${n}`, { dedupId: `d${n}` })),
  )
  await port.append(
    'priorities',
    Array.from({ length: 30 }, (_, n) =>
      message(`p ${n}`, { priority: n % 10, ...(n % 3 === 0 ? { ttlMs: 7_200_000 } : {}) }),
    ),
  )
  await port.append('results', [message('task a'), message('task b')])
  const [task] = await port.receive({ queue: 'results', max: 1 })
  if (task !== undefined) {
    const how = { kind: 'ack', keep: Buffer.from('{"result":42}'), retainMs: 3_600_000 } as const
    await port.settle([{ receipt: task.receipt, how }])
  }
  await port.append('exclusive', [message('goes with its connection')])
  await port.declareExchange('unrouted', { kind: 'fanout' })
  await port.declareExchange('events', { kind: 'topic', alternate: 'unrouted', attributes: { made: 'by hand' } })
  await port.putBinding({ exchange: 'events', id: 'a', target: { kind: 'queue', name: 'plain' }, key: 'order.#' })
  await port.putBinding({ exchange: 'events', id: 'b', target: { kind: 'exchange', name: 'unrouted' }, key: 'x' })
  await port.transact([
    { kind: 'record', key: 'mine', value: Buffer.from('1') },
    { kind: 'record', key: 'spindle/user/ann', value: Buffer.from('{"tags":[],"grants":[],"password":null}') },
    { kind: 'record', key: 'spindle/schedule/night', value: Buffer.from('{}') },
  ])
}

/** Everything that must be the same at the other end, as plain data. Lease ends and the times of a relived death are not. */
export async function inventory(port: Port, clock: Pick<Clock, 'wallMs'>) {
  const queues = []
  for (const { queue, policy, lifetime } of await port.measure()) {
    if (lifetime.kind === 'holder') continue
    const messages = []
    let cursor: string | undefined
    do {
      const states = ['ready', 'delayed', 'leased', 'dead', 'done'] as const
      const page = await port.browse({ queue, states, limit: 500, ...(cursor === undefined ? {} : { cursor }) })
      messages.push(...page.messages)
      cursor = page.cursor
    } while (cursor !== undefined)
    messages.sort((a, b) => b.priority - a.priority || a.sequence - b.sequence)
    queues.push({
      queue,
      policy,
      lifetime,
      messages: messages.map((view) => ({
        id: view.id,
        // A lease ends with the move.
        state: view.state === 'leased' ? 'ready' : view.state,
        attempts: view.state === 'leased' ? view.attempts - 1 : view.attempts,
        body: Buffer.from(view.content.body).toString('utf8'),
        head: Buffer.from(view.content.head).toString('hex'),
        priority: view.priority,
        groupId: view.groupId,
        note: view.note && Buffer.from(view.note).toString('utf8'),
        kept: view.kept && Buffer.from(view.kept).toString('utf8'),
        dueIn10Min: view.state === 'delayed' ? Math.round(((view.dueAtMs ?? 0) - clock.wallMs()) / 600_000) : undefined,
        lives10Min:
          view.expiresAtMs && view.state !== 'done'
            ? Math.round((view.expiresAtMs - clock.wallMs()) / 600_000)
            : undefined,
        history: view.history.map(({ queue: died, reason, count, attempts }) => ({ died, reason, count, attempts })),
      })),
    })
  }
  queues.sort((a, b) => (a.queue < b.queue ? -1 : 1))
  const exchanges = (await port.listExchanges()).sort((a, b) => (a.exchange < b.exchange ? -1 : 1))
  const records = (await port.scan('', { limit: 1_000 }))
    .filter(({ key }) => !/^spindle\/(?:exchange|binding|move|readiness|amqp\/process)/.test(key))
    .map(({ key, value }) => [key, Buffer.from(value).toString('utf8')])
  return { queues, exchanges, records }
}
