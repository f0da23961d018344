/** From the exchange that a message was published to, through other exchanges and alternates, to queues. */
import type { Binding } from './exchange.ts'
import type { ExchangeTable } from './exchange-table.ts'
import type { RoutedMessage } from './routed-message.ts'

/** Beyond this many queues, whether one is among them is asked of a set. */
const LINEAR_MAX = 8

/**
 * The bindings that lead to a queue, the first for each queue. Each exchange is passed once, so circles of exchanges end. An
 * exchange of which no binding takes the message hands it to its alternate; one that does not exist takes nothing.
 */
export function route(
  exchanges: (name: string) => ExchangeTable | undefined,
  from: ExchangeTable,
  message: RoutedMessage,
): readonly Binding[] {
  const found: Binding[] = []
  let queues: Set<string> | undefined
  let onward: string[] | undefined

  const take = (binding: Binding): void => {
    const { kind, name } = binding.target
    if (kind === 'exchange') {
      onward ??= []
      onward.push(name)
    } else if (queues !== undefined) {
      if (!queues.has(name)) {
        queues.add(name)
        found.push(binding)
      }
    } else {
      for (const { target } of found) if (target.name === name) return
      found.push(binding)
      if (found.length > LINEAR_MAX) queues = new Set(found.map(({ target }) => target.name))
    }
  }
  const pass = (exchange: ExchangeTable): void => {
    const { alternate } = exchange.settings
    if (!exchange.match(message, take) && alternate !== null) {
      onward ??= []
      onward.push(alternate)
    }
  }

  pass(from)
  if (onward === undefined) return found
  const passed = new Set([from.name])
  for (let name = onward.pop(); name !== undefined; name = onward.pop()) {
    if (passed.has(name)) continue
    passed.add(name)
    const exchange = exchanges(name)
    if (exchange !== undefined) pass(exchange)
  }
  return found
}
