/** A database of its own for a test file, in the server that all of a run share. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, inject } from 'vitest'

/** Its URL. Dropped when the file is done. */
export async function freshDatabase(): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${inject('postgresAsk')}`)
  const server = await response.text()
  if (!response.ok) throw new Error(server)
  const name = `t_${randomBytes(6).toString('hex')}`
  await run(server, `create database ${name}`)
  afterAll(() => run(server, `drop database ${name} with (force)`).then(() => undefined))
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

export async function run(url: string, sql: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(sql, [...values])
  } finally {
    await client.end()
  }
}

/** The tables of a schema, empty as new: cheaper than another schema for each test. Sequences go on. */
export async function emptied(url: string, schema: string): Promise<void> {
  const tables = ['live', 'parked', 'body', 'grp', 'dedup', 'record', 'holder', 'broker', 'returned', 'queue']
  await run(
    url,
    `${tables.map((table) => `delete from ${schema}.${table};`).join('\n')} update ${schema}.catalog set version = version + 1`,
  )
}
