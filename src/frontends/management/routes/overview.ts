import { listVhosts } from '../../amqp/vhosts.ts'
import { exchangeViews } from '../exchange-view.ts'
import { json, list, type ManagementCall, type ManagementParts, type ManagementRoute, NODE, sees } from '../route.ts'
import { isA } from '../sign-in.ts'

/** Tools compare versions with RabbitMQ's; this is the release whose behaviour is followed. */
export const COMPATIBLE_VERSION = '3.10.8'

const exchangeTypes = ['direct', 'fanout', 'headers', 'topic', 'x-delayed-message']

async function overview({ identity }: ManagementCall, { port, registry, version, listeners }: ManagementParts) {
  const measures = (await port.measure()).filter(({ queue }) => sees(identity, queue))
  const vhosts = (await listVhosts(port)).map(({ name }) => name)
  const connections = registry?.connections() ?? []
  const channels = connections.flatMap((connection) => connection.channels)
  const totals = { publish: 0, deliver_get: 0, ack: 0, redeliver: 0 }
  let [ready, unacknowledged] = [0, 0]
  for (const { ready: waiting, leased, totals: own } of measures) {
    ready += waiting
    unacknowledged += leased
    totals.publish += own.appended
    totals.deliver_get += own.delivered
    totals.ack += own.acked
    totals.redeliver += own.released + own.lost
  }
  return json({
    management_version: COMPATIBLE_VERSION,
    rabbitmq_version: COMPATIBLE_VERSION,
    product_name: 'Spindle',
    product_version: version,
    cluster_name: 'spindle',
    erlang_version: '',
    node: NODE,
    rates_mode: 'none',
    disable_stats: false,
    enable_queue_totals: true,
    exchange_types: exchangeTypes.map((name) => ({ name, description: '', enabled: true })),
    message_stats: totals,
    queue_totals: { messages: ready + unacknowledged, messages_ready: ready, messages_unacknowledged: unacknowledged },
    object_totals: {
      connections: connections.length,
      channels: channels.length,
      consumers: channels.reduce((count, { consumers }) => count + consumers.length, 0),
      exchanges: (await exchangeViews(port, vhosts)).length,
      queues: measures.length,
    },
    listeners: listeners().map(({ protocol, host, port: at }) => ({
      node: NODE,
      protocol,
      ip_address: host,
      port: at,
    })),
    contexts: [],
  })
}

async function whoami({ identity }: ManagementCall) {
  const tags = isA(identity, 'administrator') ? new Set([...identity.tags, 'administrator']) : identity.tags
  return json({ name: identity.name, tags: [...tags] })
}

function nodeView(_call: ManagementCall, { registry }: ManagementParts) {
  return {
    name: NODE,
    type: 'disc',
    running: true,
    mem_used: process.memoryUsage.rss(),
    mem_alarm: false,
    disk_free_alarm: false,
    sockets_used: registry?.size ?? 0,
    partitions: [],
    rates_mode: 'none',
    uptime: Math.floor(process.uptime() * 1_000),
    exchange_types: exchangeTypes.map((name) => ({ name, description: '', enabled: true })),
  }
}

export const overviewRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/overview', answer: overview },
  { method: 'GET', path: '/whoami', answer: whoami },
  { method: 'GET', path: '/cluster-name', answer: async () => json({ name: 'spindle' }) },
  { method: 'GET', path: '/nodes', only: 'monitoring', answer: async (call, parts) => list([nodeView(call, parts)]) },
  { method: 'GET', path: '/extensions', answer: async () => list([]) },
]
