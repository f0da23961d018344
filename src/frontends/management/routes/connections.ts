/** Connections, channels and consumers of this process. */
import { wireName } from '../../amqp/names.ts'
import type { ChannelView, ConnectionView } from '../../amqp/registry.ts'
import { notAuthorised, notFound } from '../fault.ts'
import {
  DONE,
  json,
  list,
  type ManagementCall,
  type ManagementParts,
  type ManagementRoute,
  NODE,
  vhostOf,
} from '../route.ts'
import { isA } from '../sign-in.ts'

/** Those of others are shown to who monitors. */
function visible({ identity }: ManagementCall, { registry }: ManagementParts): ConnectionView[] {
  const all = registry?.connections() ?? []
  return isA(identity, 'monitoring') ? all : all.filter(({ user }) => user === identity.name)
}

function connectionView(connection: ConnectionView) {
  const { name, user, vhost, state, tls, peer, local, clientProperties } = connection
  return {
    name,
    node: NODE,
    type: 'network',
    protocol: 'AMQP 0-9-1',
    user,
    user_who_performed_action: user,
    user_provided_name: clientProperties['connection_name'] ?? null,
    vhost,
    state,
    ssl: tls,
    host: local.host,
    port: local.port,
    peer_host: peer.host,
    peer_port: peer.port,
    connected_at: connection.connectedAtMs,
    channels: connection.channels.length,
    channel_max: connection.channelMax,
    frame_max: connection.frameMax,
    timeout: connection.heartbeatSeconds,
    auth_mechanism: connection.authMechanism,
    client_properties: clientProperties,
  }
}

function channelName(connection: ConnectionView, channel: ChannelView): string {
  return `${connection.name} (${channel.number})`
}

function channelView(connection: ConnectionView, channel: ChannelView) {
  const { name, peer, user, vhost } = connection
  return {
    name: channelName(connection, channel),
    number: channel.number,
    connection_details: { name, peer_host: peer.host, peer_port: peer.port },
    node: NODE,
    user,
    user_who_performed_action: user,
    vhost,
    state: 'running',
    confirm: channel.mode === 'confirm',
    transactional: channel.mode === 'transactional',
    consumer_count: channel.consumers.length,
    messages_unacknowledged: channel.unacknowledged,
    messages_unconfirmed: channel.unconfirmed,
    messages_uncommitted: 0,
    acks_uncommitted: 0,
    prefetch_count: channel.prefetch,
    global_prefetch_count: channel.globalPrefetch,
  }
}

export function consumerViews(connections: readonly ConnectionView[]) {
  return connections.flatMap((connection) =>
    connection.channels.flatMap((channel) =>
      channel.consumers.map((consumer) => {
        const { vhost, name } = wireName(consumer.queue)
        return {
          queue: { name, vhost },
          consumer_tag: consumer.tag,
          channel_details: {
            connection_name: connection.name,
            name: channelName(connection, channel),
            node: NODE,
            number: channel.number,
            peer_host: connection.peer.host,
            peer_port: connection.peer.port,
            user: connection.user,
          },
          ack_required: !consumer.noAck,
          exclusive: consumer.exclusive,
          prefetch_count: consumer.prefetch,
          active: consumer.active,
          activity_status: consumer.active ? 'up' : 'single_active',
          arguments: consumer.priority === 0 ? {} : { 'x-priority': consumer.priority },
        }
      }),
    ),
  )
}

function channelsOf(connections: readonly ConnectionView[]) {
  return connections.flatMap((connection) => connection.channels.map((channel) => channelView(connection, channel)))
}

function named(call: ManagementCall, parts: ManagementParts): ConnectionView {
  const found = visible(call, parts).find(({ name }) => name === call.name('name'))
  if (found === undefined) throw notFound()
  return found
}

async function close(call: ManagementCall, parts: ManagementParts) {
  const { name, user } = named(call, parts)
  const mayClose = user === call.identity.name || isA(call.identity, 'administrator')
  if (!mayClose) throw notAuthorised('Not administrator user')
  const reason = (call.header('x-reason') ?? 'Closed via management plugin').slice(0, 200)
  parts.registry?.close(name, reason)
  parts.log.info('an AMQP connection was closed by hand', { by: call.identity.name, name, reason })
  return DONE
}

async function ofVhost(call: ManagementCall, parts: ManagementParts): Promise<ConnectionView[]> {
  const vhost = await vhostOf(call, parts)
  return visible(call, parts).filter((connection) => connection.vhost === vhost)
}

async function oneChannel(call: ManagementCall, parts: ManagementParts) {
  const connections = visible(call, parts)
  const found = channelsOf(connections).find(({ name }) => name === call.name('name'))
  if (found === undefined) throw notFound()
  const details = consumerViews(connections).filter(({ channel_details }) => channel_details.name === found.name)
  return json({ ...found, consumer_details: details })
}

export const connectionRoutes: readonly ManagementRoute[] = [
  {
    method: 'GET',
    path: '/connections',
    answer: async (call, parts) => list(visible(call, parts).map(connectionView)),
  },
  {
    method: 'GET',
    path: '/connections/:name',
    answer: async (call, parts) => json(connectionView(named(call, parts))),
  },
  { method: 'DELETE', path: '/connections/:name', answer: close },
  {
    method: 'GET',
    path: '/connections/:name/channels',
    answer: async (call, parts) => list(channelsOf([named(call, parts)])),
  },
  {
    method: 'GET',
    path: '/vhosts/:vhost/connections',
    answer: async (call, parts) => list((await ofVhost(call, parts)).map(connectionView)),
  },
  {
    method: 'GET',
    path: '/vhosts/:vhost/channels',
    answer: async (call, parts) => list(channelsOf(await ofVhost(call, parts))),
  },
  { method: 'GET', path: '/channels', answer: async (call, parts) => list(channelsOf(visible(call, parts))) },
  { method: 'GET', path: '/channels/:name', answer: oneChannel },
  { method: 'GET', path: '/consumers', answer: async (call, parts) => list(consumerViews(visible(call, parts))) },
  {
    method: 'GET',
    path: '/consumers/:vhost',
    answer: async (call, parts) => {
      const vhost = await vhostOf(call, parts)
      return list(consumerViews(visible(call, parts)).filter(({ queue }) => queue.vhost === vhost))
    },
  },
]
