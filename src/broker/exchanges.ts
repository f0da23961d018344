/** The exchanges by name, what leads where, and what else goes when one of them or a target goes. In memory; nothing is stored here. */
import type { Binding, BindingTarget } from '../routing/exchange.ts'
import type { ExchangeTable } from '../routing/exchange-table.ts'

/** What goes together. */
export interface Removal {
  readonly bindings: readonly Binding[]
  readonly exchanges: readonly string[]
}

export class Exchanges {
  readonly #tables = new Map<string, ExchangeTable>()
  /** Bindings by where they lead. */
  readonly #incoming: Readonly<Record<BindingTarget['kind'], Map<string, Set<Binding>>>> = {
    queue: new Map(),
    exchange: new Map(),
  }

  get(name: string): ExchangeTable | undefined {
    return this.#tables.get(name)
  }

  /** All of them, or those named. */
  tables(names?: readonly string[]): ExchangeTable[] {
    if (names === undefined) return [...this.#tables.values()]
    return names.map((name) => this.#tables.get(name)).filter((table) => table !== undefined)
  }

  /** Names of queues that bindings lead to. */
  boundQueues(): string[] {
    return [...this.#incoming.queue.keys()]
  }

  put(table: ExchangeTable): void {
    this.#tables.set(table.name, table)
  }

  bind(binding: Binding): void {
    const table = this.#tables.get(binding.exchange)
    if (table === undefined) return
    const before = table.get(binding.id)
    if (before !== undefined) this.#unlink(before)
    table.put(binding)
    const { kind, name } = binding.target
    const incoming = this.#incoming[kind].get(name)
    if (incoming === undefined) this.#incoming[kind].set(name, new Set([binding]))
    else incoming.add(binding)
  }

  /** What goes with a queue or exchange that bindings lead to: those bindings, exchanges that delete themselves, and so on. */
  withoutTarget({ kind, name }: BindingTarget): Removal {
    const plan = new RemovalPlan(this.#tables, this.#incoming.exchange)
    for (const binding of this.#incoming[kind].get(name) ?? []) plan.binding(binding)
    return plan
  }

  withoutBinding(exchange: string, id: string): Removal {
    const plan = new RemovalPlan(this.#tables, this.#incoming.exchange)
    const binding = this.#tables.get(exchange)?.get(id)
    if (binding !== undefined) plan.binding(binding)
    return plan
  }

  without(exchange: string): Removal {
    const plan = new RemovalPlan(this.#tables, this.#incoming.exchange)
    plan.exchange(exchange)
    return plan
  }

  remove({ bindings, exchanges }: Removal): void {
    for (const binding of bindings) {
      this.#tables.get(binding.exchange)?.remove(binding.id)
      this.#unlink(binding)
    }
    for (const exchange of exchanges) this.#tables.delete(exchange)
  }

  #unlink(binding: Binding): void {
    const { kind, name } = binding.target
    const incoming = this.#incoming[kind].get(name)
    incoming?.delete(binding)
    if (incoming?.size === 0) this.#incoming[kind].delete(name)
  }
}

class RemovalPlan implements Removal {
  readonly #tables: ReadonlyMap<string, ExchangeTable>
  readonly #incoming: ReadonlyMap<string, ReadonlySet<Binding>>
  readonly #bindings = new Set<Binding>()
  readonly #exchanges = new Set<string>()
  /** How many bindings of each exchange go. */
  readonly #leaving = new Map<string, number>()

  constructor(tables: ReadonlyMap<string, ExchangeTable>, incoming: ReadonlyMap<string, ReadonlySet<Binding>>) {
    this.#tables = tables
    this.#incoming = incoming
  }

  get bindings(): readonly Binding[] {
    return [...this.#bindings]
  }

  get exchanges(): readonly string[] {
    return [...this.#exchanges]
  }

  binding(first: Binding): void {
    const waiting = [first]
    for (let binding = waiting.pop(); binding !== undefined; binding = waiting.pop()) {
      if (this.#bindings.has(binding)) continue
      this.#bindings.add(binding)
      const { exchange } = binding
      const leaving = (this.#leaving.get(exchange) ?? 0) + 1
      this.#leaving.set(exchange, leaving)
      const table = this.#tables.get(exchange)
      if (table?.settings.autoDelete !== true || leaving < table.size || this.#exchanges.has(exchange)) continue
      this.#exchanges.add(exchange)
      for (const incoming of this.#incoming.get(exchange) ?? []) waiting.push(incoming)
    }
  }

  exchange(name: string): void {
    this.#exchanges.add(name)
    for (const binding of this.#tables.get(name)?.bindings() ?? []) this.binding(binding)
    for (const binding of this.#incoming.get(name) ?? []) this.binding(binding)
  }
}
