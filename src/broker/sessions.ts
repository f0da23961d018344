/**
 * Logins of browsers. A session is a record under the hash of a random id that only the browser knows (its cookie), so it outlives a
 * restart and is known to every process on the store. It ends after SESSION_MS, by logging out, and at once when the password or token
 * that it was opened with is changed or taken away, or its user goes.
 */
import { createHash } from 'node:crypto'
import type { Identity } from '../model/access.ts'
import { SpindleError } from '../model/errors.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { Port, StoredRecord } from './port.ts'
import type { Credentials, Users } from './users.ts'

/** A working day: whoever stays longer logs in again. */
export const SESSION_MS = 12 * 3_600_000
/** When there are more, the one that ends first goes. */
const SESSIONS_MAX = 1_000
const PREFIX = 'spindle/session/'
const PAGE = 1_000

export interface OpenSession {
  readonly identity: Identity
  /** What a page of this server shows with each write, so that a page of another one cannot write in its name. */
  readonly writeToken: string
}

interface StoredSession {
  readonly user: string
  readonly proof: string
  readonly endsAtMs: number
}

export interface SessionsParts {
  readonly port: Port
  readonly users: Users
  readonly clock: Clock
  readonly random: Random
}

export class Sessions {
  readonly #parts: SessionsParts

  constructor(parts: SessionsParts) {
    this.#parts = parts
  }

  /** The id is told here and never again. Rejects `not-authenticated`, or `overloaded` after too many failures from there. */
  async open(credentials: Credentials, from: string): Promise<OpenSession & { readonly id: string }> {
    const { users, port, clock, random } = this.#parts
    const proven = await users.logIn(credentials, from)
    if (proven === undefined) throw new SpindleError('not-authenticated', 'log in')
    const { identity, proof } = proven
    await this.#makeRoom()
    const id = Buffer.from(random.bytes(30)).toString('base64url')
    const session: StoredSession = { user: identity.name, proof, endsAtMs: clock.wallMs() + SESSION_MS }
    await port.transact([{ kind: 'record', key: keyOf(id), value: Buffer.from(JSON.stringify(session)) }])
    return { identity, writeToken: writeTokenOf(id), id }
  }

  /** undefined: there is none such, or it has ended. */
  async find(id: string): Promise<OpenSession | undefined> {
    const { port, users, clock } = this.#parts
    const record = await port.read(keyOf(id))
    if (record === undefined) return undefined
    const { user, proof, endsAtMs } = read(record)
    const identity = clock.wallMs() < endsAtMs ? users.stillProven(user, proof) : undefined
    return identity && { identity, writeToken: writeTokenOf(id) }
  }

  /** Idempotent. */
  async end(id: string): Promise<void> {
    await this.#remove([keyOf(id)])
  }

  async #makeRoom(): Promise<void> {
    const { port, users, clock } = this.#parts
    const nowMs = clock.wallMs()
    const living: (StoredSession & { readonly key: string })[] = []
    const ended: string[] = []
    for (const record of await port.scan(PREFIX, { limit: SESSIONS_MAX + PAGE })) {
      const session = read(record)
      const lives = nowMs < session.endsAtMs && users.stillProven(session.user, session.proof) !== undefined
      if (lives) living.push({ ...session, key: record.key })
      else ended.push(record.key)
    }
    living.sort((a, b) => a.endsAtMs - b.endsAtMs)
    const tooMany = Math.max(0, living.length - SESSIONS_MAX + 1)
    await this.#remove([...ended, ...living.slice(0, tooMany).map(({ key }) => key)])
  }

  async #remove(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    await this.#parts.port.transact(keys.map((key) => ({ kind: 'record', key, value: null })))
  }
}

function read({ value }: StoredRecord): StoredSession {
  return JSON.parse(new TextDecoder().decode(value)) as StoredSession // written by `open`
}

/** What lies in the folder opens nothing. */
function keyOf(id: string): string {
  return PREFIX + createHash('sha256').update(id).digest('hex')
}

/** The page learns this and not the id, which no script can read. */
function writeTokenOf(id: string): string {
  return createHash('sha256').update(`write ${id}`).digest('base64url')
}
