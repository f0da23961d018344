/** The owner's side of a shared folder: the store in this process, and the processes that joined it. */
import type { Socket } from 'node:net'
import type { Port } from '../../broker/port.ts'
import { SpindleError } from '../../model/errors.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import { Holders } from '../remote/holders.ts'
import { ServedPeer } from '../remote/serve.ts'
import type { Owned } from './claim.ts'

export interface OwnershipParts {
  readonly claim: Owned
  /** This process's name as a holder. */
  readonly name: string
  readonly openStore: () => Promise<Port>
  readonly clock: Clock
  readonly log: Log
}

export class Ownership {
  readonly store: Port
  readonly #parts: OwnershipParts
  readonly #holders: Holders
  readonly #peers = new Set<ServedPeer>()

  private constructor(parts: OwnershipParts, store: Port, holders: Holders) {
    this.#parts = parts
    this.store = store
    this.#holders = holders
  }

  /** Opens the store under `claim`; when that fails, lets the claim go and rejects with why. Nobody is served yet. */
  static async open(parts: OwnershipParts): Promise<Ownership> {
    const { claim, name, openStore, clock, log } = parts
    let store: Port | undefined
    try {
      store = await openStore()
      const holders = new Holders({ port: store, clock, log })
      // Leases that this process took while it was joined are still its own; those of the owner that died are nobody's.
      await holders.connected(name)
      if (claim.deadHolder !== undefined) await endDead(store, claim.deadHolder)
      return new Ownership(parts, store, holders)
    } catch (fault) {
      await store?.close().catch(() => {})
      await claim.letGo()
      throw fault
    }
  }

  /** Answers those who have connected since the claim was made, and those who will. */
  serve(): void {
    const { claim, name, clock, log } = this.#parts
    const facts = { generation: claim.generation, pid: process.pid }
    claim.listener.serve((stream: Socket) => {
      const peer = new ServedPeer({ port: this.store, stream, holders: this.#holders, clock, log, name, facts })
      this.#peers.add(peer)
      void peer.ended.then(() => this.#peers.delete(peer))
    })
  }

  /** Joined processes first get every answer; then the store closes; only then may somebody else open it. */
  async letGo(): Promise<void> {
    const { claim, name } = this.#parts
    claim.listener.hold()
    try {
      await Promise.all([...this.#peers].map((peer) => peer.drain()))
      this.#holders.stop()
      // A store that was poisoned cannot give leases back; the next owner does.
      await this.store.releaseHolder(name, { spend: false }).catch(() => {})
      await this.store.close()
    } finally {
      await claim.letGo()
    }
  }
}

/** A full disk may not take the end of its leases: they run out by themselves, and nobody is kept out for that. */
async function endDead(store: Port, holder: string): Promise<void> {
  try {
    await store.releaseHolder(holder)
  } catch (fault) {
    if (!(fault instanceof SpindleError && fault.code === 'disk-full')) throw fault
  }
}
