import amqp from 'amqplib'
import { describe, expect, it } from 'vitest'
import { connected } from '../amqp/serving.ts'
import { until } from '../broker/started.ts'
import { servedManagement } from './serving.ts'

describe('queues', () => {
  it('are made, shown, compared and deleted', async () => {
    const { call } = await servedManagement()
    const declared = { durable: true, arguments: { 'x-message-ttl': 60_000, 'x-queue-type': 'quorum' } }
    expect((await call('PUT', '/queues/%2F/orders', declared)).status).toBe(201)
    expect((await call('PUT', '/queues/%2F/orders', declared)).status).toBe(204)
    const { body } = await call('GET', '/queues/%2F/orders')
    expect(body).toMatchObject({
      name: 'orders',
      vhost: '/',
      durable: true,
      auto_delete: false,
      exclusive: false,
      type: 'quorum',
      state: 'running',
      arguments: { 'x-message-ttl': 60_000 },
      messages: 0,
      consumers: 0,
    })
    const differs = await call('PUT', '/queues/%2F/orders', { arguments: { 'x-message-ttl': 1 } })
    expect(differs.status).toBe(400)
    expect(differs.body.error).toBe('bad_request')
    expect(differs.body.reason).toContain("inequivalent arg 'x-message-ttl' for queue 'orders' in vhost '/'")
    expect((await call('DELETE', '/queues/%2F/orders')).status).toBe(204)
    expect(await call('GET', '/queues/%2F/orders')).toMatchObject({
      status: 404,
      body: { error: 'Object Not Found', reason: 'Not Found' },
    })
  })

  it('are not deleted while they hold or serve something, if asked so', async () => {
    const { call, amqpUrl } = await servedManagement()
    await call('PUT', '/queues/%2F/full', {})
    await call('POST', '/exchanges/%2F/amq.default/publish', {
      properties: {},
      routing_key: 'full',
      payload: 'x',
      payload_encoding: 'string',
    })
    const kept = await call('DELETE', '/queues/%2F/full?if-empty=true')
    expect([kept.status, kept.body.reason]).toEqual([400, "PRECONDITION_FAILED - queue 'full' in vhost '/' not empty"])
    const { connection } = await connected(amqpUrl)
    const channel = await connection.createChannel()
    await channel.consume('full', () => {})
    const used = await call('DELETE', '/queues/%2F/full?if-unused=true')
    expect([used.status, used.body.reason]).toEqual([400, "PRECONDITION_FAILED - queue 'full' in vhost '/' in use"])
  })

  it('tell their consumers when they are deleted here', async () => {
    const { call, amqpUrl } = await servedManagement()
    await call('PUT', '/queues/%2F/gone', {})
    const { connection } = await connected(amqpUrl)
    const channel = await connection.createChannel()
    const cancelled = new Promise(
      (resolve) => void channel.consume('gone', (message) => message ?? resolve('cancelled')),
    )
    await until(async () => (await call('GET', '/queues/%2F/gone')).body.consumers === 1)
    await call('DELETE', '/queues/%2F/gone')
    expect(await cancelled).toBe('cancelled')
  })

  it('come in pages, sorted, by name and with some columns', async () => {
    const { call } = await servedManagement()
    for (const name of ['b-1', 'a-1', 'a-2', 'c']) await call('PUT', `/queues/%2F/${name}`, {})
    const { body } = await call(
      'GET',
      '/queues?page=2&page_size=1&name=a&sort=name&sort_reverse=true&columns=name,vhost',
    )
    expect(body).toEqual({
      filtered_count: 2,
      item_count: 1,
      items: [{ name: 'a-1', vhost: '/' }],
      page: 2,
      page_count: 2,
      page_size: 1,
      total_count: 4,
    })
    const byPattern = await call('GET', '/queues?page=1&name=%5E%5Bbc%5D&use_regex=true&columns=name')
    expect(byPattern.body.items.map(({ name }: { name: string }) => name).sort()).toEqual(['b-1', 'c'])
    expect((await call('GET', '/queues?page=9')).status).toBe(400)
  })
})

describe('messages', () => {
  it('are published with properties and got with them', async () => {
    const { call } = await servedManagement()
    await call('PUT', '/queues/%2F/q', {})
    await call('POST', '/bindings/%2F/e/amq.topic/q/q', { routing_key: 'a.#' })
    const properties = {
      content_type: 'text/plain',
      delivery_mode: 2,
      priority: 3,
      headers: { n: 1, t: 'x', l: [true, null], __proto__: 1 },
    }
    const publish = { properties, routing_key: 'a.b', payload: 'grüezi', payload_encoding: 'string' }
    expect((await call('POST', '/exchanges/%2F/amq.topic/publish', publish)).body).toEqual({ routed: true })
    const nowhere = await call('POST', '/exchanges/%2F/amq.topic/publish', { ...publish, routing_key: 'b' })
    expect(nowhere.body).toEqual({ routed: false })
    const asked = { count: 5, ackmode: 'ack_requeue_true', encoding: 'auto' }
    const { body } = await call('POST', '/queues/%2F/q/get', asked)
    expect(body).toEqual([
      {
        payload_bytes: 7,
        redelivered: false,
        exchange: 'amq.topic',
        routing_key: 'a.b',
        message_count: 0,
        properties: {
          content_type: 'text/plain',
          delivery_mode: 2,
          priority: 3,
          headers: { n: 1, t: 'x', l: [true, null] },
        },
        payload: 'grüezi',
        payload_encoding: 'string',
      },
    ])
    const taken = await call('POST', '/queues/%2F/q/get', {
      ...asked,
      ackmode: 'ack_requeue_false',
      encoding: 'base64',
    })
    expect(taken.body[0].payload).toBe(Buffer.from('grüezi').toString('base64'))
    expect((await call('POST', '/queues/%2F/q/get', asked)).body).toEqual([])
  })

  it('are purged, and refused where they are not understood', async () => {
    const { call } = await servedManagement()
    await call('PUT', '/queues/%2F/q', {})
    const publish = { properties: {}, routing_key: 'q', payload: 'AAE=', payload_encoding: 'base64' }
    await call('POST', '/exchanges/%2F/amq.default/publish', publish)
    expect((await call('GET', '/queues/%2F/q')).body.messages).toBe(1)
    expect((await call('DELETE', '/queues/%2F/q/contents')).status).toBe(204)
    expect((await call('GET', '/queues/%2F/q')).body.messages).toBe(0)
    for (const wrong of [
      { payload: 1 },
      { properties: { nope: 1 } },
      { payload_encoding: 'x' },
      { properties: { priority: 900 } },
    ]) {
      expect((await call('POST', '/exchanges/%2F/amq.default/publish', { ...publish, ...wrong })).status).toBe(400)
    }
    expect((await call('POST', '/queues/%2F/q/get', { count: 1, ackmode: 'no', encoding: 'auto' })).status).toBe(400)
    expect(
      (await call('POST', '/queues/%2F/none/get', { count: 1, ackmode: 'ack_requeue_true', encoding: 'auto' })).status,
    ).toBe(404)
  })

  it('go round for the aliveness test', async () => {
    const { call } = await servedManagement()
    expect((await call('GET', '/aliveness-test/%2F')).body).toEqual({ status: 'ok' })
    expect((await call('GET', '/aliveness-test/none')).status).toBe(404)
  })
})

describe('exchanges and bindings', () => {
  it('are there without being declared, or are made and deleted', async () => {
    const { call } = await servedManagement()
    const names = async () => (await call('GET', '/exchanges/%2F')).body.map(({ name }: { name: string }) => name)
    expect(await names()).toEqual(['', 'amq.direct', 'amq.fanout', 'amq.topic', 'amq.headers', 'amq.match'])
    expect((await call('PUT', '/exchanges/%2F/events', { type: 'topic', internal: true })).status).toBe(201)
    expect((await call('GET', '/exchanges/%2F/events')).body).toMatchObject({
      type: 'topic',
      internal: true,
      durable: true,
    })
    expect((await call('PUT', '/exchanges/%2F/events', { type: 'fanout' })).status).toBe(400)
    expect((await call('PUT', '/exchanges/%2F/x', { type: 'x-nope' })).status).toBe(400)
    expect((await call('DELETE', '/exchanges/%2F/events')).status).toBe(204)
    expect((await call('DELETE', '/exchanges/%2F/events')).status).toBe(404)
    expect((await call('DELETE', '/exchanges/%2F/amq.direct')).status).toBe(401)
  })

  it('are bound and unbound by their properties key', async () => {
    const { call } = await servedManagement()
    await call('PUT', '/queues/%2F/q', {})
    await call('PUT', '/exchanges/%2F/h', { type: 'headers' })
    const made = await call('POST', '/bindings/%2F/e/h/q/q', {
      routing_key: 'k',
      arguments: { 'x-match': 'any', a: 1 },
    })
    expect(made.status).toBe(201)
    const { body } = await call('GET', '/bindings/%2F/e/h/q/q')
    expect(body).toMatchObject([
      {
        source: 'h',
        destination: 'q',
        destination_type: 'queue',
        routing_key: 'k',
        arguments: { 'x-match': 'any', a: 1 },
      },
    ])
    const key = body[0].properties_key
    expect(made.headers.get('location')).toBe(`q/${encodeURIComponent(key)}`)
    expect((await call('GET', `/bindings/%2F/e/h/q/q/${encodeURIComponent(key)}`)).body.routing_key).toBe('k')
    expect((await call('GET', '/queues/%2F/q/bindings')).body).toHaveLength(2)
    await call('POST', '/bindings/%2F/e/amq.fanout/e/h', {})
    expect((await call('GET', '/exchanges/%2F/h/bindings/destination')).body).toMatchObject([
      { source: 'amq.fanout', properties_key: '~' },
    ])
    expect((await call('DELETE', `/bindings/%2F/e/h/q/q/${encodeURIComponent(key)}`)).status).toBe(204)
    expect((await call('GET', '/exchanges/%2F/h/bindings/source')).body).toEqual([])
    expect((await call('POST', '/bindings/%2F/e/none/q/q', {})).status).toBe(404)
  })
})

describe('connections', () => {
  it('are listed with their channels and consumers, and closed with a reason', async () => {
    const { call, amqpUrl } = await servedManagement()
    const connection = await amqp.connect(amqpUrl, { clientProperties: { connection_name: 'worker 7' } })
    const closed = new Promise<Error>((resolve) => connection.once('close', resolve))
    const channel = await connection.createConfirmChannel()
    await channel.prefetch(7)
    await channel.assertQueue('jobs')
    const { consumerTag } = await channel.consume('jobs', () => {})
    const [shown] = (await call('GET', '/connections')).body
    expect(shown).toMatchObject({
      user: 'guest',
      vhost: '/',
      state: 'running',
      protocol: 'AMQP 0-9-1',
      channels: 1,
      user_provided_name: 'worker 7',
    })
    expect((await call('GET', '/channels')).body).toMatchObject([
      { name: `${shown.name} (1)`, number: 1, confirm: true, transactional: false, consumer_count: 1 },
    ])
    expect((await call('GET', '/consumers/%2F')).body).toMatchObject([
      {
        consumer_tag: consumerTag,
        queue: { name: 'jobs', vhost: '/' },
        ack_required: true,
        prefetch_count: 7,
        active: true,
      },
    ])
    expect((await call('GET', '/overview')).body.object_totals).toMatchObject({
      connections: 1,
      channels: 1,
      consumers: 1,
      queues: 1,
    })
    const path = `/connections/${encodeURIComponent(shown.name)}`
    expect((await call('DELETE', path, undefined, { 'X-Reason': 'moving house' })).status).toBe(204)
    expect(String(await closed)).toContain('moving house')
    expect((await call('DELETE', path)).status).toBe(404)
  })
})

describe('virtual hosts', () => {
  it('are made, used and deleted with everything in them', async () => {
    const { call, amqpUrl } = await servedManagement()
    await expect(amqp.connect(`${amqpUrl}/shop`)).rejects.toThrow('got <ConnectionClose')
    expect((await call('PUT', '/vhosts/shop', { description: 'the shop' })).status).toBe(201)
    const { connection } = await connected(`${amqpUrl}/shop`)
    const channel = await connection.createChannel()
    await channel.assertQueue('q')
    await channel.assertExchange('e', 'fanout')
    expect((await call('GET', '/queues/shop')).body).toMatchObject([{ name: 'q', vhost: 'shop' }])
    expect((await call('GET', '/queues/%2F')).body).toEqual([])
    const gone = new Promise((resolve) => connection.once('close', resolve))
    expect((await call('DELETE', '/vhosts/shop')).status).toBe(204)
    await gone
    expect((await call('GET', '/queues')).body).toEqual([])
    expect((await call('GET', '/vhosts')).body).toMatchObject([
      { name: '/', cluster_state: { 'spindle@localhost': 'running' } },
    ])
    expect((await call('DELETE', '/vhosts/%2F')).status).toBe(400)
  })
})

describe('figures', () => {
  it('say who and what this is, and that it is well', async () => {
    const { call, server } = await servedManagement()
    expect((await call('GET', '/whoami')).body).toEqual({ name: 'guest', tags: ['administrator'] })
    expect((await call('GET', '/overview')).body).toMatchObject({ rabbitmq_version: '3.10.8', product_name: 'Spindle' })
    expect((await call('GET', '/nodes')).body).toMatchObject([{ running: true, mem_alarm: false }])
    expect((await call('GET', '/health/checks/alarms')).body).toEqual({ status: 'ok' })
    const { port } = new URL(server.amqpUrl)
    expect((await call('GET', `/health/checks/port-listener/${port}`)).body).toMatchObject({ status: 'ok' })
    expect((await call('GET', '/health/checks/port-listener/1')).status).toBe(503)
  })

  it('answer what is no route in the words of the API', async () => {
    const { call, as } = await servedManagement()
    expect(await call('GET', '/nope')).toMatchObject({ status: 404, body: { error: 'Object Not Found' } })
    expect(await call('PUT', '/overview')).toMatchObject({ status: 405, body: { error: 'Method Not Allowed' } })
    expect(await call('PUT', '/queues/%2F/q', '{nope')).toMatchObject({
      status: 400,
      body: { error: 'bad_request', reason: 'not_json' },
    })
    expect((await call('PUT', '/queues/%2F/q', '[1]')).status).toBe(400)
    expect((await call('GET', '/queues/%2')).status).toBe(400)
    const refused = await as('guest:wrong')('GET', '/overview')
    expect(refused).toMatchObject({ status: 401, body: { error: 'not_authorised', reason: 'Login failed' } })
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /)
    const foreign = await call('GET', '/overview', undefined, { origin: 'https://elsewhere.example' })
    expect(foreign.status).toBe(403)
  })

  it('bound what is sent', async () => {
    const { call } = await servedManagement()
    const deep = `{"arguments":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`
    expect((await call('PUT', '/queues/%2F/q', deep)).body.reason).toContain('nested over 16 deep')
    const many = { arguments: { list: Array.from({ length: 20_000 }, () => 1) } }
    expect((await call('PUT', '/queues/%2F/q', many)).body.reason).toContain('over 10000 arguments')
    const named = await call('PUT', `/queues/%2F/${'n'.repeat(300)}`, {})
    expect(named.status).toBe(400)
    expect((await call('GET', '/queues')).body).toEqual([])
    const polluting = JSON.parse('{"arguments":{"__proto__":{"polluted":true},"constructor":1}}')
    expect((await call('PUT', '/queues/%2F/q', polluting)).status).toBe(201)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(Object.keys((await call('GET', '/queues/%2F/q')).body.arguments)).toEqual(['__proto__', 'constructor'])
  })
})
