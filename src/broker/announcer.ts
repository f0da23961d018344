import type { MessageId } from '../model/message.ts'

type Listeners = Set<(data: Uint8Array) => void>

/** Prefix of the channels on which the broker itself says that a message settled or changed state. */
const MESSAGE_PREFIX = 'message/'
const NOTHING = new Uint8Array(0)

/** Channels inside one broker: heard by whoever listens now, stored nowhere. */
export class Announcer {
  readonly #channels = new Map<string, Listeners>()
  /** Those of single messages, by id: looked into for each delivery and settle, so without putting a name together. */
  readonly #messages = new Map<string, Listeners>()

  announce(channel: string, data: Uint8Array): void {
    const { map, key } = this.#place(channel)
    tell(map.get(key), data)
  }

  /** As `announce` on `message/ID` with no data. */
  announceMessage(id: MessageId): void {
    if (this.#messages.size > 0) tell(this.#messages.get(id), NOTHING)
  }

  listen(channel: string, heard: (data: Uint8Array) => void): () => void {
    // A listener of its own, so that one function listening twice is told twice and ends each alone.
    const listener = (data: Uint8Array): void => heard(data)
    const { map, key } = this.#place(channel)
    const listeners = map.get(key) ?? new Set()
    map.set(key, listeners.add(listener))
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) map.delete(key)
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
