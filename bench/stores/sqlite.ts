import { type Candidate, requirePeer } from './store.ts'

/** The little of better-sqlite3 that is used here. */
type Sqlite = new (file: string) => Database
interface Database {
  pragma(text: string): unknown
  exec(sql: string): void
  prepare(sql: string): Statement
  transaction<A extends unknown[]>(body: (...args: A) => void): (...args: A) => void
  close(): void
}
interface Statement {
  run(...values: unknown[]): unknown
  all(...values: unknown[]): unknown[]
}

export const sqlite: Candidate = {
  name: 'SQLite (better-sqlite3 12, WAL, synchronous = FULL)',
  does: 'insert; claim by UPDATE … RETURNING in one transaction, delete in a second',
  peer: { package: 'better-sqlite3', version: '12.11.1' },
  async open(folder, peers) {
    const Connection = requirePeer(peers, 'better-sqlite3') as Sqlite
    const database = new Connection(`${folder}/sqlite`)
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.exec('CREATE TABLE message (id INTEGER PRIMARY KEY, leased_until INTEGER NOT NULL, body BLOB NOT NULL)')
    database.exec('CREATE INDEX ready ON message (id) WHERE leased_until = 0')
    const insert = database.prepare('INSERT INTO message (leased_until, body) VALUES (0, ?)')
    const claim = database.prepare(
      'UPDATE message SET leased_until = ? WHERE id IN (SELECT id FROM message WHERE leased_until = 0 ORDER BY id LIMIT ?) RETURNING id, body',
    )
    const remove = database.prepare('DELETE FROM message WHERE id = ?')
    const insertAll = database.transaction((bodies: readonly Uint8Array[]) => {
      for (const body of bodies) insert.run(body)
    })
    const removeAll = database.transaction((rows: readonly { id: number }[]) => {
      for (const { id } of rows) remove.run(id)
    })
    return {
      put: async (bodies) => insertAll(bodies),
      async take(max) {
        const rows = claim.all(Date.now() + 30_000, max) as { id: number; body: Uint8Array }[] // as the statement says
        for (const { body } of rows) if (body.length === 0) throw new Error('an empty body')
        removeAll(rows)
        return rows.length
      },
      close: async () => database.close(),
    }
  },
}
