import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { basicHandlers } from '../../src/frontends/amqp/basic-methods.ts'
import { channelHandlers } from '../../src/frontends/amqp/channel-methods.ts'
import { exchangeHandlers, exchangeKinds } from '../../src/frontends/amqp/exchange-methods.ts'
import { DELAYED_TYPE } from '../../src/frontends/amqp/exchanges.ts'
import { capabilities } from '../../src/frontends/amqp/handshake.ts'
import { policyKeys } from '../../src/frontends/amqp/policies/policy.ts'
import { queueArgumentNames } from '../../src/frontends/amqp/queue-arguments.ts'
import { queueHandlers } from '../../src/frontends/amqp/queue-methods.ts'
import { mechanismsFor } from '../../src/frontends/amqp/sasl.ts'
import { managementRoutes } from '../../src/frontends/management/management-routes.ts'

const page = readFileSync(new URL('../../docs/compat/amqp.md', import.meta.url), 'utf8')

/** The names in backquotes of one section; in tables, of the first column. */
function names(section: string): string[] {
  const from = page.indexOf(`\n## ${section}\n`)
  const text = page.slice(from + 1, page.indexOf('\n## ', from + 1))
  const rows = text.split('\n').filter((line) => line.startsWith('|'))
  const where = rows.length > 0 ? rows.map((row) => row.split('|')[1]).join('\n') : text
  return [...where.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '')
}

describe('docs/compat/amqp.md', () => {
  it('lists the methods that clients may send', () => {
    // Publish is frequent and stands in the channel itself; the connection's own are not a table.
    const onChannels = Object.keys({ ...channelHandlers, ...exchangeHandlers, ...queueHandlers, ...basicHandlers })
    const listed = names('Methods').filter((name) => !name.startsWith('connection.'))
    expect(listed.sort()).toEqual([...onChannels, 'basic.publish'].sort())
  })

  it('lists the queue arguments', () => {
    expect(names('Queue arguments').sort()).toEqual([...queueArgumentNames].sort())
  })

  it('lists the capabilities', () => {
    expect(names('Server capabilities').sort()).toEqual([...capabilities.keys()].sort())
  })

  it('lists the mechanisms', () => {
    const peer = { host: '127.0.0.1', loopback: true, tls: true, certificateName: 'x' }
    expect(names('Logging in').sort()).toEqual([...mechanismsFor(peer, false)].sort())
  })

  it('lists the types of exchanges', () => {
    for (const type of [...exchangeKinds, DELAYED_TYPE]) expect(names('Exchange types')).toContain(type)
  })

  it('lists what policies may say', () => {
    expect(names('Policies').sort()).toEqual(Object.keys(policyKeys).sort())
  })

  it('lists the routes of the management API, each with a state and its differences', () => {
    const rows = [...page.matchAll(/^\| `((?:GET|PUT|POST|DELETE) [^`]+)` \| ([a-z ]+) \|(.*)\|$/gm)]
    expect(rows.map(([, route]) => route)).toEqual(managementRoutes.map(({ method, path }) => `${method} ${path}`))
    for (const [, route, state, remarks = ''] of rows) {
      expect(['supported', 'deviates'], route).toContain(state)
      if (state === 'deviates') expect(remarks.trim(), route).not.toBe('')
    }
  })
})
