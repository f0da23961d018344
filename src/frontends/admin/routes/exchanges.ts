import { SpindleError } from '../../../model/errors.ts'
import type { MatchAnswer, PublishAnswer } from '../api.ts'
import { bindingToPut, exchangeSettings, messagesToPublish, queryFlag } from '../orders.ts'
import { NO_CONTENT, ok, type Route } from '../route.ts'
import { exchangeInfo } from '../views.ts'

export const exchangeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/exchanges',
    async answer({ may }, { port }) {
      const exchanges = (await port.listExchanges()).filter(({ exchange }) => may('read', exchange))
      return ok({ items: exchanges.map(exchangeInfo), next: null })
    },
  },
  {
    method: 'PUT',
    path: '/exchanges/:exchange',
    async answer({ name, need, body }, { port }) {
      const exchange = name('exchange')
      need('configure', exchange)
      const settings = exchangeSettings(body)
      if (typeof settings.alternate === 'string') need('write', settings.alternate)
      return ok(await port.declareExchange(exchange, settings))
    },
  },
  {
    method: 'DELETE',
    path: '/exchanges/:exchange',
    async answer({ name, need, query }, { port }) {
      const exchange = name('exchange')
      need('configure', exchange)
      if (await port.deleteExchange(exchange, { ifUnused: queryFlag(query, 'ifUnused') })) return NO_CONTENT
      throw new SpindleError('no-such-exchange', `delete '${exchange}'`)
    },
  },
  {
    method: 'POST',
    path: '/exchanges/:exchange/messages',
    audited: false,
    async answer({ name, need, body }, { port }) {
      const exchange = name('exchange')
      need('write', exchange)
      return ok({ outcomes: await port.publish(exchange, messagesToPublish(body)) } satisfies PublishAnswer)
    },
  },
  {
    method: 'POST',
    path: '/exchanges/:exchange/match',
    readsOnly: true,
    async answer({ name, need, body }, { port }) {
      const exchange = name('exchange')
      need('read', exchange)
      return ok({ matches: await port.match(exchange, messagesToPublish(body)) } satisfies MatchAnswer)
    },
  },
  {
    method: 'PUT',
    path: '/exchanges/:exchange/bindings/:binding',
    async answer({ name, need, body }, { port }) {
      const exchange = name('exchange')
      const { target, key = '', ...rest } = bindingToPut(body)
      need('configure', exchange)
      need('write', target.name)
      await port.putBinding({ exchange, id: name('binding'), target, key, ...rest })
      return NO_CONTENT
    },
  },
  {
    method: 'DELETE',
    path: '/exchanges/:exchange/bindings/:binding',
    async answer({ name, need }, { port }) {
      const [exchange, binding] = [name('exchange'), name('binding')]
      need('configure', exchange)
      if (await port.removeBinding(exchange, binding)) return NO_CONTENT
      throw new SpindleError('not-found', `remove binding '${binding}' of exchange '${exchange}'`)
    },
  },
]
