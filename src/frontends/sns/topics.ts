/**
 * Topics: fanout exchanges, whoever made them. What SNS alone knows of one (its attributes, tags and data protection policy)
 * is kept in the exchange's own attributes, beside what other front ends keep there.
 */
import type { ExchangeSettings, ExchangeView, Port, RecordStep } from '../../broker/port.ts'
import { type Address, type HomeRealm, storeName, topicOfStoreName } from './arns.ts'
import { invalidBecause, notFound } from './errors.ts'
import { type Texts, texts } from './params.ts'

export interface Topic {
  readonly address: Address
  readonly exchange: string
  readonly view: ExchangeView
  readonly state: TopicState
}

export interface TopicState {
  /** As they were set, text for text. */
  readonly attributes: Texts
  readonly tags: Texts
  readonly dataProtectionPolicy?: string
}

/** Of a topic that another protocol made. */
const NO_STATE: TopicState = { attributes: texts(), tags: texts() }

export class Topics {
  readonly #port: Port
  readonly #home: HomeRealm
  /** Changes read what the one before left. */
  #lastChange: Promise<unknown> = Promise.resolve()

  constructor({ port, home }: { readonly port: Port; readonly home: HomeRealm }) {
    this.#port = port
    this.#home = home
  }

  async find(address: Address): Promise<Topic | undefined> {
    const exchange = storeName(address, this.#home)
    const [view] = await this.#port.listExchanges([exchange])
    return view === undefined || view.settings.kind !== 'fanout' ? undefined : topicOf(address, view)
  }

  /** Throws `NotFound`. */
  async get(address: Address): Promise<Topic> {
    const topic = await this.find(address)
    if (topic === undefined) throw notFound('Topic')
    return topic
  }

  /** Those of one region and account, by name, behind the name `after`. */
  async list(realm: HomeRealm, after = ''): Promise<Topic[]> {
    const views = await this.#port.listExchanges()
    const found: Topic[] = []
    for (const view of views) {
      const address = topicOfStoreName(view.exchange, this.#home)
      if (address?.region !== realm.region || address.account !== realm.account) continue
      if (view.settings.kind === 'fanout' && address.name > after) found.push(topicOf(address, view))
    }
    return found.sort((a, b) => (a.address.name < b.address.name ? -1 : 1))
  }

  /** `records` are written in the unit of its creation. Rejects `exchange-exists`. */
  async create(address: Address, state: TopicState, records: readonly RecordStep[]): Promise<void> {
    const exchange = storeName(address, this.#home)
    if (Buffer.byteLength(exchange) > NAME_BYTES_MAX) {
      throw invalidBecause('Name', `with its region and account it must not be longer than ${NAME_BYTES_MAX} bytes`)
    }
    const settings: Partial<ExchangeSettings> = { kind: 'fanout', attributes: { [KEY]: state } }
    await this.#port.declareExchange(exchange, settings, { expect: 'absent', records })
  }

  /** Throws `NotFound`, and what `change` throws. */
  async change(address: Address, change: (state: TopicState) => TopicState): Promise<void> {
    await this.oneByOne(async () => {
      const { exchange, view, state } = await this.get(address)
      const attributes = { ...view.settings.attributes, [KEY]: change(state) }
      await this.#port.declareExchange(exchange, { attributes })
    })
  }

  oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastChange.then(work)
    this.#lastChange = done.catch(() => undefined)
    return done
  }
}

const KEY = 'sns'
/** Of an exchange's name. */
const NAME_BYTES_MAX = 255

function topicOf(address: Address, view: ExchangeView): Topic {
  const stored = view.settings.attributes[KEY] as TopicState | undefined
  const state =
    stored === undefined
      ? NO_STATE
      : {
          ...stored,
          attributes: texts(Object.entries(stored.attributes)),
          tags: texts(Object.entries(stored.tags)),
        }
  return { address, exchange: view.exchange, view, state }
}
