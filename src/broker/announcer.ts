import type { SharedStore } from '../engine/engine.ts'
import type { MessageId } from '../model/message.ts'

type Listeners = Set<(data: Uint8Array) => void>

/** Prefix of the channels on which the broker itself says that a message settled or changed state. */
const MESSAGE_PREFIX = 'message/'
const NOTHING = new Uint8Array(0)

/**
 * Channels: heard by whoever listens now, stored nowhere. Where other processes share the store they hear them, too: announcements all of
 * them, changes of a message those that listen for it.
 */
export class Announcer {
  readonly #shared: SharedStore | undefined
  readonly #channels = new Map<string, Listeners>()
  /** Those of single messages, by id: looked into for each delivery and settle, so without putting a name together. */
  readonly #messages = new Map<string, Listeners>()

  constructor(shared?: SharedStore) {
    this.#shared = shared
  }

  /** Hears other processes from now on. */
  start(): void {
    this.#shared?.hear((channel, data) => this.#tellHere(channel, data))
  }

  announce(channel: string, data: Uint8Array): void {
    this.#tellHere(channel, data)
    this.#shared?.broadcast(channel, data)
  }

  /** As `announce` on `message/ID` with no data. */
  announceMessage(id: MessageId): void {
    if (this.#messages.size > 0) tell(this.#messages.get(id), NOTHING)
    this.#shared?.changed(id)
  }

  /** Would anybody hear of a message? */
  get hearsMessages(): boolean {
    return this.#messages.size > 0 || this.#shared !== undefined
  }

  #tellHere(channel: string, data: Uint8Array): void {
    const { map, key } = this.#place(channel)
    tell(map.get(key), data)
  }

  listen(channel: string, heard: (data: Uint8Array) => void): () => void {
    // A listener of its own, so that one function listening twice is told twice and ends each alone.
    const listener = (data: Uint8Array): void => heard(data)
    const { map, key } = this.#place(channel)
    const listeners = map.get(key) ?? new Set()
    map.set(key, listeners.add(listener))
    const unfollow =
      map === this.#messages ? this.#shared?.follow(key as MessageId, () => listener(NOTHING)) : undefined
    return () => {
      if (!listeners.delete(listener)) return
      if (listeners.size === 0) map.delete(key)
      unfollow?.()
    }
  }

  #place(channel: string): { map: Map<string, Listeners>; key: string } {
    if (!channel.startsWith(MESSAGE_PREFIX)) return { map: this.#channels, key: channel }
    return { map: this.#messages, key: channel.slice(MESSAGE_PREFIX.length) }
  }
}

function tell(listeners: Listeners | undefined, data: Uint8Array): void {
  if (listeners !== undefined) for (const listener of listeners) listener(data)
}
