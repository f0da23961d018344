import { type Candidate, requirePeer } from './store.ts'

/** The little of lmdb 3 that is used here. */
interface Lmdb {
  open(options: { path: string; encoding: 'binary'; keyEncoding: 'uint32'; overlappingSync: boolean }): Database
}
interface Database {
  putSync(key: number, value: Uint8Array): void
  removeSync(key: number): void
  getRange(options: { limit: number }): Iterable<{ key: number; value: Uint8Array }>
  /** Without overlappingSync it returns when the commit is on stable storage. */
  transactionSync<T>(body: () => T): T
  close(): Promise<void>
}

export const lmdb: Candidate = {
  name: 'LMDB (lmdb 3.5)',
  does: 'put; get in key order and remove in one transaction (no lease is stored)',
  peer: { package: 'lmdb', version: '3.5.6' },
  async open(folder, peers) {
    const { open } = requirePeer(peers, 'lmdb') as Lmdb
    const database = open({ path: `${folder}/lmdb`, encoding: 'binary', keyEncoding: 'uint32', overlappingSync: false })
    let next = 1
    return {
      async put(bodies) {
        database.transactionSync(() => {
          for (const body of bodies) database.putSync(next++, body)
        })
      },
      async take(max) {
        return database.transactionSync(() => {
          const taken = [...database.getRange({ limit: max })]
          for (const { key, value } of taken) {
            if (value.length === 0) throw new Error('an empty body')
            database.removeSync(key)
          }
          return taken.length
        })
      },
      close: () => database.close(),
    }
  },
}
