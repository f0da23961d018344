/** Fills a queue with waiting messages by copying one of them in SQL: a million by calls would take longer than all measurements. */
import pg from 'pg'
import type { System } from './scenarios.ts'

const BODY = `repeat('x', 256)`

/** Of an empty queue that a broker or peer has made. */
const FILLS: Readonly<Record<System, string>> = {
  spindle: `
    with m as materialized (select nextval('spindle.seq') as n from generate_series(1, $1::int)),
    b as (insert into spindle.body (slot, content, head, body)
      select c.slot, m.n, '', convert_to(${BODY}, 'UTF8') from m, spindle.catalog c)
    insert into spindle.live (qid, rank, ord, id, slot, content, bytes, state, enqueued)
    select q.qid, 255, m.n, m.n, c.slot, m.n, 256, 0, floor(extract(epoch from clock_timestamp()) * 1000)
    from m, spindle.queue q, spindle.catalog c where q.name = 'q'`,
  'pg-boss': `insert into pgboss.job (name, data) select 'q', jsonb_build_object('text', ${BODY}) from generate_series(1, $1::int)`,
  'graphile-worker': `
    insert into graphile_worker._private_jobs (task_id, payload)
    select t.id, json_build_object('text', ${BODY}) from graphile_worker._private_tasks t, generate_series(1, $1::int)
    where t.identifier = 'q'`,
}

export async function fillBacklog(url: string, system: System, messages: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(FILLS[system], [messages])
    await client.query('vacuum (analyze)')
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
