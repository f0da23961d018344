import {
  type BindingTarget,
  bindingId,
  type ExchangeKind,
  type Filter,
  type HeadersMatch,
  type Port,
} from '../broker/port.ts'
import type { MessageId } from '../model/message.ts'
import type { BindOptions, Exchange, PublishOptions, Queue, Topic } from './api.ts'
import { publishedMessage, storedId } from './queue.ts'

/** An exchange of any kind; a topic is one of kind `fanout`. */
export class PortExchange<T> implements Exchange<T>, Topic<T> {
  readonly name: string
  readonly kind: ExchangeKind
  readonly #port: Port

  constructor(port: Port, name: string, kind: ExchangeKind) {
    this.#port = port
    this.name = name
    this.kind = kind
  }

  async publish(body: T, options?: PublishOptions): Promise<MessageId[]> {
    const [outcomes = []] = await this.#port.publish(this.name, [publishedMessage(body, options)])
    return outcomes.map((outcome) => storedId(outcome, this.name))
  }

  bind(
    target: Queue<T> | Exchange<T> | string,
    options: BindOptions & { readonly filter?: Filter } = {},
  ): Promise<void> {
    const { key = '', headers, filter } = options
    const bound = {
      target: targetOf(target),
      key,
      ...(headers === undefined ? {} : { headers }),
      ...(filter === undefined ? {} : { filter }),
    }
    return this.#port.putBinding({ exchange: this.name, id: bindingId(bound), ...bound })
  }

  unbind(
    target: Queue<T> | Exchange<T> | string,
    { key = '', headers }: { readonly key?: string; readonly headers?: HeadersMatch } = {},
  ): Promise<boolean> {
    const said = { target: targetOf(target), key, ...(headers === undefined ? {} : { headers }) }
    return this.#port.removeBinding(this.name, bindingId(said))
  }

  delete(options?: { readonly ifUnused?: boolean }): Promise<boolean> {
    return this.#port.deleteExchange(this.name, options)
  }
}

/** A name is that of a queue; of the two that have a name, only exchanges have a kind. */
function targetOf(target: { readonly name: string } | string): BindingTarget {
  if (typeof target === 'string') return { kind: 'queue', name: target }
  return { kind: 'kind' in target ? 'exchange' : 'queue', name: target.name }
}
