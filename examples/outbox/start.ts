/** Places orders, one of which fails, and packs each exactly once although the first delivery is never acked. */
import { open } from 'spindle-mq'
import { OutboxRelay } from 'spindle-mq/outbox'
import { type Order, openShop, pack, placeOrder } from './shop.ts'

const db = await openShop()
const spindle = await open('memory:')
const queue = await spindle.queue<Order>('orders', { leaseMs: 200, dedup: { kind: 'window', windowMs: 3_600_000 } })
const relay = new OutboxRelay({ client: db, spindle })
relay.start()

await placeOrder(db, 'tea')
await placeOrder(db, 'a teapot', { fails: true }).catch((error: Error) => console.log(`no order: ${error.message}`))
await placeOrder(db, 'cups')
relay.wake()

let packed = 0
for (let delivery = 1; packed < 2; delivery++) {
  const [message] = await queue.receive({ waitMs: 5_000 })
  if (message === undefined) continue
  const first = await pack(db, message.id, message.body)
  console.log(`${message.body.item}: ${first ? 'packed' : 'came again, and is not packed twice'}`)
  // The consumer dies here before its first ack: the message comes again.
  if (delivery === 1) continue
  await message.ack()
  if (delivery > 1) packed++
}
await relay.stop()
await spindle.close()
const { rows } = await db.query<{ n: number }>('select count(*)::int as n from parcels')
console.log(`${rows[0]?.n} parcels`)
await db.close()
