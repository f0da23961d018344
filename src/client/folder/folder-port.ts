/**
 * One process's port to a folder that several share.
 *
 *     seeking --claimed--> owning   calls go straight to the store in this process; others are served on the socket
 *        |  ^                |
 *        |  |                '--close()--> closed
 *        |  '--owner gone--.
 *        '----joined----> joined    calls go over the socket to the owner
 *
 * Seeking ends in `failed` when the store cannot be opened (`corrupt`, `format-newer`…): every call rejects with that.
 *
 * What a caller sees when the owner goes away, by close() or by kill -9, while a process is joined: client/carried-port.ts. New calls
 * wait for the next owner, up to `busyAfterMs`, then reject with `folder-busy`.
 * A message that the owner had leased for this process when it died, and whose delivery was lost with it, stays leased to this
 * process until its lease runs out: one attempt is spent.
 *
 * A stopped owner (SIGSTOP, a debugger) is still the owner: calls to it wait. So is one whose store is poisoned: everybody's
 * calls reject with `poisoned` until it closes or exits; then the next one recovers the folder.
 */
import type { Port, ReceiveRequest } from '../../broker/port.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Random } from '../../runtime/random.ts'
import { CarriedPort } from '../carried-port.ts'
import { RemotePort } from '../remote.ts'
import { findOrClaim, type Owned } from './claim.ts'
import { HeldDirect } from './held-direct.ts'
import { Ownership } from './ownership.ts'

/** Default of `busyAfterMs`. */
const BUSY_AFTER_MS = 30_000
/** Pauses between looks at a folder whose owner is just changing, ms: doubled each time. */
const PAUSE_MS_MIN = 2
const PAUSE_MS_MAX = 100

export interface FolderParts {
  readonly folder: string
  /** Opens the store in this process; called only while this process owns the folder. Closing the port closes it. */
  readonly openStore: () => Promise<Port>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** How long opening, and a call while the owner changes, waits for an owner that answers, ms. Default 30,000. */
  readonly busyAfterMs?: number
}

/** Where the port is; for tests and people. */
export type FolderRole = 'seeking' | 'owning' | 'joined' | 'failed' | 'closed'

export class FolderPort extends CarriedPort {
  readonly #parts: FolderParts
  /** This process among all that ever share the folder; its leases are held under this name whoever owns it. */
  readonly #name: string
  readonly #ownLease: NonNullable<ReceiveRequest['lease']>
  #ownership: Ownership | undefined

  private constructor(parts: FolderParts) {
    const { clock, folder, busyAfterMs = BUSY_AFTER_MS } = parts
    super({
      place: `in ${folder}`,
      clock,
      patienceMs: busyAfterMs,
      impatient: (attempted) => new SpindleError('folder-busy', `${attempted} in ${folder}, for ${busyAfterMs} ms`),
    })
    this.#parts = parts
    this.#name = Buffer.from(parts.random.bytes(9)).toString('base64url')
    this.#ownLease = { kind: 'clock', holder: this.#name }
  }

  /** Resolves once the folder is owned and open, or an owner has answered. Rejects with what the store says, or `folder-busy`. */
  static async open(parts: FolderParts): Promise<FolderPort> {
    const port = new FolderPort(parts)
    await port.begin(`open ${parts.folder}`)
    return port
  }

  get role(): FolderRole {
    if (this.closing) return 'closed'
    if (this.failed !== undefined) return 'failed'
    if (this.store !== undefined) return 'owning'
    return this.joined ? 'joined' : 'seeking'
  }

  protected override async letGo(): Promise<void> {
    await this.#ownership?.letGo()
  }

  /** A lease taken by the owner ends with its process, too: the next owner is told by the claim whose they were. */
  protected override held(request: ReceiveRequest): ReceiveRequest {
    const { queue, max, waitMs, lease, from, settleOnDelivery, consumer, fill } = request
    if (lease === undefined) {
      // The common receive, told field by field: a spread costs ten times as much.
      const plain = from === undefined && settleOnDelivery === undefined && consumer === undefined && fill === undefined
      if (!plain) return { ...request, lease: this.#ownLease }
      if (waitMs === undefined) return { queue, max, lease: this.#ownLease }
      return { queue, max, waitMs, lease: this.#ownLease }
    }
    if (lease.kind === 'holder' || lease.holder !== undefined) return request
    return { ...request, lease: { ...lease, holder: this.#name } }
  }

  /** Looks for the owner until there is one: another process, or this one. */
  protected async seek(): Promise<void> {
    const { folder, log } = this.#parts
    let pauseMs = PAUSE_MS_MIN
    while (!this.closing) {
      try {
        if (await this.#look()) return
      } catch (fault) {
        // Once it worked, a full disk or a lack of descriptors is weather: it passes, and callers wait or are told `folder-busy`.
        if (!this.worked || (fault instanceof SpindleError && fault.code !== 'folder-busy')) {
          this.fail(fault)
          log.error('this process cannot use the folder', { folder, fault })
          return
        }
        log.warn('looking for the owner of the folder failed and goes on', { folder, fault })
        pauseMs = PAUSE_MS_MAX
      }
      await this.pause(pauseMs)
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
    }
  }

  /** true: this process owns the folder now, or has joined its owner. */
  async #look(): Promise<boolean> {
    const { folder, clock, random } = this.#parts
    const found = await findOrClaim(folder, { holder: this.#name, random })
    switch (found.kind) {
      case 'owned':
        await this.#own(found)
        return true
      case 'joined':
        return this.join(
          new RemotePort({ stream: found.socket, client: this.#name, peer: `the owner of ${folder}`, clock }),
        )
      case 'unsettled':
        return false
      default:
        return found satisfies never
    }
  }

  async #own(claim: Owned): Promise<void> {
    const { openStore, clock, log, folder } = this.#parts
    this.waiting.patient()
    try {
      const ownership = await Ownership.open({ claim, name: this.#name, openStore, clock, log })
      if (this.closing) {
        await ownership.letGo()
        return
      }
      this.#ownership = ownership
      this.store = ownership.store
      const { direct } = ownership.store
      if (direct !== undefined) this.direct = new HeldDirect(direct, (request) => this.held(request))
      log.info('this process owns the folder', { folder, generation: claim.generation })
      this.arrived(ownership.store)
      ownership.serve()
    } finally {
      this.waiting.impatient()
    }
  }
}
