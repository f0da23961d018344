/** One exchange with its bindings, kept so that a message meets as few of them as its kind allows. */
import type { Binding, ExchangeSettings } from './exchange.ts'
import { compileFilter, type FilterTest } from './filter/compile.ts'
import { compileHeadersMatch, type HeadersTest } from './headers-match.ts'
import type { RoutedMessage } from './routed-message.ts'
import { TopicTrie } from './topic-trie.ts'

interface Bound {
  readonly binding: Binding
  readonly headers: HeadersTest | undefined
  readonly filter: FilterTest | undefined
}

export class ExchangeTable {
  readonly name: string
  settings: ExchangeSettings
  /** In the order in which they were made. */
  readonly #bound = new Map<string, Bound>()
  /** Kind `direct`: by key. */
  readonly #direct = new Map<string, Bound[]>()
  /** Kind `topic`: by pattern. */
  readonly #topic = new TopicTrie<Bound>()

  constructor(name: string, settings: ExchangeSettings) {
    this.name = name
    this.settings = settings
  }

  get size(): number {
    return this.#bound.size
  }

  get(id: string): Binding | undefined {
    return this.#bound.get(id)?.binding
  }

  bindings(): Binding[] {
    return Array.from(this.#bound.values(), ({ binding }) => binding)
  }

  /** One with the same id gives way, and keeps its place. */
  put(binding: Binding): void {
    const before = this.#bound.get(binding.id)
    if (before !== undefined) this.#leave(before)
    const bound: Bound = {
      binding,
      headers: binding.headers && compileHeadersMatch(binding.headers),
      filter: binding.filter && compileFilter(binding.filter),
    }
    this.#bound.set(binding.id, bound)
    if (this.settings.kind === 'topic') this.#topic.add(binding.key, bound)
    else if (this.settings.kind === 'direct') {
      const sharing = this.#direct.get(binding.key)
      if (sharing === undefined) this.#direct.set(binding.key, [bound])
      else sharing.push(bound)
    }
  }

  remove(id: string): Binding | undefined {
    const bound = this.#bound.get(id)
    if (bound === undefined) return undefined
    this.#bound.delete(id)
    this.#leave(bound)
    return bound.binding
  }

  #leave(bound: Bound): void {
    const { key } = bound.binding
    if (this.settings.kind === 'topic') this.#topic.remove(key, bound)
    else if (this.settings.kind === 'direct') {
      const sharing = this.#direct.get(key)
      const at = sharing?.indexOf(bound) ?? -1
      if (at >= 0) sharing?.splice(at, 1)
      if (sharing?.length === 0) this.#direct.delete(key)
    }
  }

  /** Hands each binding that takes the message to `take`; one that two keys lead to, perhaps twice. false: there was none. */
  match(message: RoutedMessage, take: (binding: Binding) => void): boolean {
    const { kind } = this.settings
    if (kind === 'direct' || kind === 'topic') {
      let any = this.#matchKey(message.key, message, take)
      for (const key of message.moreKeys) if (this.#matchKey(key, message, take)) any = true
      return any
    }
    return offer(this.#bound.values(), message, take)
  }

  #matchKey(key: string, message: RoutedMessage, take: (binding: Binding) => void): boolean {
    const candidates = this.settings.kind === 'topic' ? this.#topic.match(key) : this.#direct.get(key)
    return candidates !== undefined && offer(candidates, message, take)
  }
}

function offer(candidates: Iterable<Bound>, message: RoutedMessage, take: (binding: Binding) => void): boolean {
  let any = false
  for (const bound of candidates) {
    if (bound.headers !== undefined && !bound.headers(message.headers)) continue
    if (bound.filter !== undefined && !bound.filter(message)) continue
    any = true
    take(bound.binding)
  }
  return any
}
