/**
 * Who may use a store: records under `spindle/user/`, answered from memory. A change made by any process on the store is
 * heard at once by the others (an announcement), and after RELOAD_MS at the latest.
 *
 * While there is no user, everybody on loopback may do everything; from the first one on, what is not granted is denied.
 */
import { createHash } from 'node:crypto'
import { type Grant, type Identity, identityOf, validateGrants, validateTags } from '../model/access.ts'
import { isFault, SpindleError } from '../model/errors.ts'
import { validateName } from '../model/validate.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Random } from '../runtime/random.ts'
import { LoginLimit } from './login-limit.ts'
import { Passwords } from './password.ts'
import type { Port } from './port.ts'
import {
  type AccessKey,
  decodeUser,
  encodeUser,
  KEYS_MAX,
  type StoredUser,
  USER_PREFIX,
  validateAccessKeys,
  validatePassword,
  validateTokens,
} from './user-record.ts'

export interface Users {
  /** Must callers say who they are? Not while there is no user, unless the server is one that never runs open. */
  configured(): boolean
  /**
   * undefined: no such user, no password, or a wrong one; all three take the same time. Rejects `overloaded`, also after too many
   * failures from the address `from` (absent: a caller inside, which is not counted).
   */
  withPassword(name: string, password: string, from?: string): Promise<Identity | undefined>
  /** The secret by which the signatures of this key are verified. */
  accessKey(id: string): { readonly secret: string; readonly identity: Identity } | undefined
  withToken(token: string): Identity | undefined
  /** A login that is to last: also tells which of the user's secrets proved it. Rejects as `withPassword` does. */
  logIn(credentials: Credentials, from: string): Promise<Proven | undefined>
  /** Is what proved an earlier login still a secret of this user? */
  stillProven(name: string, proof: string): Identity | undefined
  /** By name. */
  list(): UserView[]
  find(name: string): UserView | undefined
  /** Creates the user, or replaces the fields given. Resolves once it is durable. Rejects `invalid-argument`. */
  put(name: string, fields: UserFields): Promise<UserView>
  /** A new access key; its secret is told here and never again. Rejects `no-such-user`. */
  addAccessKey(name: string): Promise<AccessKey>
  /** A new token, told here and never again. Rejects `no-such-user`. */
  addToken(name: string): Promise<string>
  /** By the id that `tokenIds` tells. false: there was none. Rejects `no-such-user`. */
  removeToken(name: string, id: string): Promise<boolean>
  /** false: there was none. Rejects `no-such-user`. */
  removeAccessKey(name: string, id: string): Promise<boolean>
  /** false: there was none. */
  remove(name: string): Promise<boolean>
}

export type Credentials =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'password'; readonly name: string; readonly password: string }

export interface Proven {
  readonly identity: Identity
  /** A fingerprint of the secret; it opens nothing. */
  readonly proof: string
}

export interface UserFields {
  readonly tags?: readonly string[]
  readonly grants?: readonly Grant[]
  /** null: the user has none. */
  readonly password?: string | null
  /** In place of `password`: RabbitMQ's salted hash of it, base64, as `definitions.json` has it. */
  readonly passwordHash?: string
  readonly accessKeys?: readonly AccessKey[]
  /** At least 16 characters each. Only their hashes are kept. */
  readonly tokens?: readonly string[]
}

/** Without secrets. */
export interface UserView {
  readonly name: string
  readonly tags: readonly string[]
  readonly grants: readonly Grant[]
  readonly hasPassword: boolean
  readonly accessKeyIds: readonly string[]
  readonly tokens: number
  /** By which a token is taken away; the oldest first. */
  readonly tokenIds: readonly string[]
}

export interface UsersParts {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const CHANNEL = 'spindle/users'
const RELOAD_MS = 10_000
const PAGE = 1_000
/** Writers that meet try again with what the other one left. */
const ATTEMPTS_MAX = 5
/** Hex digits of a token's hash that name it. */
const TOKEN_ID_LENGTH = 12

interface Known {
  readonly user: StoredUser
  readonly identity: Identity
}

export class StoredUsers implements Users {
  readonly #parts: UsersParts
  readonly #passwords: Passwords
  readonly #limit: LoginLimit
  #byName: ReadonlyMap<string, Known> = new Map()
  #byKey: ReadonlyMap<string, { readonly secret: string; readonly identity: Identity }> = new Map()
  #byToken: ReadonlyMap<string, Identity> = new Map()
  #loading: Promise<void> | undefined
  #again = false
  #timer: Timer | undefined
  #ended = false
  #neverOpen = false
  #unlisten = (): void => {}

  private constructor(parts: UsersParts) {
    this.#parts = parts
    this.#passwords = new Passwords(parts.random)
    this.#limit = new LoginLimit(parts.clock)
  }

  static async open(parts: UsersParts): Promise<StoredUsers> {
    const users = new StoredUsers(parts)
    users.#unlisten = parts.port.listen(CHANNEL, () => void users.#refresh())
    await users.#load()
    users.#watch()
    return users
  }

  close(): void {
    this.#ended = true
    this.#timer?.cancel()
    this.#unlisten()
  }

  configured(): boolean {
    return this.#neverOpen || this.#byName.size > 0
  }

  /** From now on everybody is asked, also when the last user goes: a server that the network reaches must not open itself. */
  neverOpen(): void {
    this.#neverOpen = true
  }

  async withPassword(name: string, password: string, from?: string): Promise<Identity | undefined> {
    return (await this.#provenByPassword(name, password, from))?.identity
  }

  async #provenByPassword(name: string, password: string, from: string | undefined): Promise<Proven | undefined> {
    const known = this.#byName.get(name)
    const stored = known?.user.password ?? undefined
    if (from !== undefined && !this.#passwords.isKnown(password, stored)) this.#limit.check(from, name)
    const right = await this.#passwords.verify(password, stored)
    if (from !== undefined) {
      if (right) this.#limit.succeeded(from, name)
      else this.#limit.failed(from, name)
    }
    return right && known && stored ? { identity: known.identity, proof: hashOf(stored.hash) } : undefined
  }

  async logIn(credentials: Credentials, from: string): Promise<Proven | undefined> {
    if (credentials.kind === 'password') return this.#provenByPassword(credentials.name, credentials.password, from)
    this.#limit.check(from, '')
    const identity = this.withToken(credentials.token)
    if (identity === undefined) this.#limit.failed(from, '')
    return identity && { identity, proof: hashOf(credentials.token) }
  }

  stillProven(name: string, proof: string): Identity | undefined {
    const known = this.#byName.get(name)
    if (known === undefined) return undefined
    const { password, tokenHashes } = known.user
    const holds = tokenHashes.includes(proof) || (password !== null && hashOf(password.hash) === proof)
    return holds ? known.identity : undefined
  }

  accessKey(id: string): { readonly secret: string; readonly identity: Identity } | undefined {
    return this.#byKey.get(id)
  }

  withToken(token: string): Identity | undefined {
    // What is looked up is a hash of what was sent: how far it agrees with another one tells a guesser nothing.
    return this.#byToken.get(hashOf(token))
  }

  list(): UserView[] {
    return [...this.#byName.values()].map(({ user }) => viewOf(user)).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  find(name: string): UserView | undefined {
    const known = this.#byName.get(name)
    return known && viewOf(known.user)
  }

  async put(name: string, fields: UserFields): Promise<UserView> {
    validateName('user', name)
    const { tags, grants, accessKeys, tokens, password, passwordHash } = fields
    const given = {
      ...(tags === undefined ? {} : { tags: validateTags(tags) }),
      ...(grants === undefined ? {} : { grants: validateGrants(grants) }),
      ...(accessKeys === undefined ? {} : { accessKeys: validateAccessKeys(accessKeys) }),
      ...(tokens === undefined ? {} : { tokenHashes: validateTokens(tokens).map(hashOf) }),
    }
    if (password !== undefined && password !== null) validatePassword(password)
    const imported = passwordHash === undefined ? undefined : await this.#passwords.import(passwordHash)
    return this.#change(name, async (user) => ({
      ...(user ?? { name, tags: [], grants: [], password: null, accessKeys: [], tokenHashes: [] }),
      ...given,
      ...(imported === undefined ? {} : { password: imported }),
      ...(password === undefined ? {} : { password: await this.#passwordHash(password, user) }),
    }))
  }

  async addAccessKey(name: string): Promise<AccessKey> {
    const { random } = this.#parts
    const id = `SPK${Buffer.from(random.bytes(10)).toString('hex').toUpperCase().slice(0, 17)}`
    const key = { id, secret: Buffer.from(random.bytes(30)).toString('base64url') }
    await this.#change(name, async (user) => {
      if (user === undefined) throw new SpindleError('no-such-user', `add an access key to '${name}'`)
      return { ...user, accessKeys: validateAccessKeys([...user.accessKeys, key]) }
    })
    return key
  }

  async addToken(name: string): Promise<string> {
    const token = `spt_${Buffer.from(this.#parts.random.bytes(30)).toString('base64url')}`
    await this.#change(name, async (user) => {
      if (user === undefined) throw new SpindleError('no-such-user', `add a token to '${name}'`)
      if (user.tokenHashes.length >= KEYS_MAX) {
        throw new SpindleError('invalid-argument', `tokens of '${name}' must be a list of at most ${KEYS_MAX}`)
      }
      return { ...user, tokenHashes: [...user.tokenHashes, hashOf(token)] }
    })
    return token
  }

  async removeToken(name: string, id: string): Promise<boolean> {
    let found = false
    await this.#change(name, async (user) => {
      if (user === undefined) throw new SpindleError('no-such-user', `remove a token of '${name}'`)
      const tokenHashes = user.tokenHashes.filter((hash) => tokenId(hash) !== id)
      found = tokenHashes.length < user.tokenHashes.length
      return { ...user, tokenHashes }
    })
    return found
  }

  async removeAccessKey(name: string, id: string): Promise<boolean> {
    let found = false
    await this.#change(name, async (user) => {
      if (user === undefined) throw new SpindleError('no-such-user', `remove an access key of '${name}'`)
      const accessKeys = user.accessKeys.filter((key) => key.id !== id)
      found = accessKeys.length < user.accessKeys.length
      return { ...user, accessKeys }
    })
    return found
  }

  async remove(name: string): Promise<boolean> {
    const key = USER_PREFIX + name
    if ((await this.#parts.port.read(key)) === undefined) return false
    await this.#parts.port.transact([{ kind: 'record', key, value: null }])
    await this.#tell()
    return true
  }

  async #passwordHash(password: string | null, user: StoredUser | undefined): Promise<StoredUser['password']> {
    if (password === null) return null
    // A configuration says the same password at each start: nothing changes then.
    const current = user?.password ?? null
    if (current !== null && (await this.#passwords.verify(password, current))) return current
    return this.#passwords.hash(password)
  }

  async #change(name: string, next: (user: StoredUser | undefined) => Promise<StoredUser>): Promise<UserView> {
    const key = USER_PREFIX + name
    for (let attempt = 1; ; attempt++) {
      const record = await this.#parts.port.read(key)
      const before = record && decodeUser(key, record.value)
      const after = await next(before)
      if (before !== undefined && JSON.stringify(before) === JSON.stringify(after)) return viewOf(after)
      this.#refuseForeignKeys(after)
      try {
        const value = encodeUser(after)
        await this.#parts.port.transact([{ kind: 'record', key, value, expect: record?.version ?? 0 }])
        await this.#tell()
        return viewOf(after)
      } catch (fault) {
        const met = isFault(fault, 'aborted')
        if (!met || attempt === ATTEMPTS_MAX) throw fault
      }
    }
  }

  #refuseForeignKeys({ name, accessKeys }: StoredUser): void {
    for (const { id } of accessKeys) {
      const owner = this.#byKey.get(id)?.identity.name
      if (owner === undefined || owner === name) continue
      throw new SpindleError('invalid-argument', `access key ${id} of user '${name}' belongs to user '${owner}'`)
    }
  }

  async #tell(): Promise<void> {
    this.#parts.port.announce(CHANNEL, new Uint8Array(0))
    await this.#load()
  }

  #watch(): void {
    if (this.#ended) return
    this.#timer = this.#parts.clock.setTimer(RELOAD_MS, () => {
      void this.#refresh().finally(() => this.#watch())
    })
  }

  /** A store that cannot answer keeps the users that are known; its callers hear of it elsewhere. */
  async #refresh(): Promise<void> {
    try {
      if (!this.#ended) await this.#load()
    } catch (fault) {
      if (!this.#ended) this.#parts.log.warn('the users could not be read again; those known stay', { fault })
    }
  }

  /** One scan at a time; one that was asked for meanwhile follows, since the running one may have passed the change. */
  async #load(): Promise<void> {
    if (this.#loading !== undefined) {
      this.#again = true
      return this.#loading
    }
    this.#loading = (async () => {
      do {
        this.#again = false
        this.#take(await this.#scan())
      } while (this.#again)
    })().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #scan(): Promise<Known[]> {
    const found: Known[] = []
    let after: string | undefined
    for (;;) {
      const page = await this.#parts.port.scan(USER_PREFIX, { limit: PAGE, ...(after === undefined ? {} : { after }) })
      for (const { key, value } of page) {
        const user = decodeUser(key, value)
        found.push({ user, identity: identityOf(user) })
      }
      after = page.at(-1)?.key
      if (page.length < PAGE) return found
    }
  }

  #take(found: readonly Known[]): void {
    const byKey = new Map<string, { readonly secret: string; readonly identity: Identity }>()
    const byToken = new Map<string, Identity>()
    for (const { user, identity } of found) {
      for (const { id, secret } of user.accessKeys) byKey.set(id, { secret, identity })
      for (const hash of user.tokenHashes) byToken.set(hash, identity)
    }
    this.#byName = new Map(found.map((known) => [known.user.name, known]))
    this.#byKey = byKey
    this.#byToken = byToken
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function viewOf({ name, tags, grants, password, accessKeys, tokenHashes }: StoredUser): UserView {
  const accessKeyIds = accessKeys.map(({ id }) => id)
  const tokenIds = tokenHashes.map(tokenId)
  return { name, tags, grants, hasPassword: password !== null, accessKeyIds, tokens: tokenIds.length, tokenIds }
}

function tokenId(hash: string): string {
  return hash.slice(0, TOKEN_ID_LENGTH)
}
