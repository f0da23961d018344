/** A shop whose orders are in a database that Spindle does not know; here PGlite, PostgreSQL inside this process. */
import { PGlite } from '@electric-sql/pglite'
import { createInbox, createOutbox, intoOutbox, isFirstInInbox } from 'spindle-mq/outbox'

export interface Order {
  readonly id: number
  readonly item: string
}

export async function openShop(folder?: string): Promise<PGlite> {
  const db = folder === undefined ? new PGlite() : new PGlite(folder)
  await db.exec(`
    create table if not exists orders (id serial primary key, item text not null);
    create table if not exists parcels (order_id int not null);
    ${createOutbox()};
    ${createInbox()};
  `)
  return db
}

/** The order and the message that tells of it are one transaction: both are there, or neither. */
export function placeOrder(db: PGlite, item: string, { fails = false } = {}): Promise<Order> {
  return db.transaction(async (transaction) => {
    const { rows } = await transaction.query<Order>('insert into orders (item) values ($1) returning id, item', [item])
    const order = rows[0] as Order
    await intoOutbox(transaction, { queue: 'orders', body: order, group: item, headers: { source: 'shop' } })
    if (fails) throw new Error('the card was refused')
    return order
  })
}

/** The parcel and the memory of the message are one transaction. false: it was packed before. */
export function pack(db: PGlite, messageId: string, { id }: Order): Promise<boolean> {
  return db.transaction(async (transaction) => {
    if (!(await isFirstInInbox(transaction, messageId))) return false
    await transaction.query('insert into parcels (order_id) values ($1)', [id])
    return true
  })
}
