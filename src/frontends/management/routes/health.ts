import { listVhosts } from '../../amqp/vhosts.ts'
import { ManagementFault } from '../fault.ts'
import { json, type ManagementCall, type ManagementParts, type ManagementRoute } from '../route.ts'

const OK = { status: 'ok' } as const

/** The store answers: what RabbitMQ's alarms watch (memory, disk) holds publishers back here, and nothing else. */
async function alive(_call: ManagementCall, { port }: ManagementParts) {
  await port.scan('spindle/amqp/', { limit: 1 })
  return json(OK)
}

function failed(reason: string): ManagementFault {
  return new ManagementFault(503, 'failed', reason)
}

async function portListener({ name }: ManagementCall, { listeners }: ManagementParts) {
  const port = Number(name('what'))
  if (listeners().every((one) => one.port !== port))
    throw failed(`No active listener on port ${name('what').slice(0, 20)}`)
  return json({ ...OK, port })
}

async function protocolListener({ name }: ManagementCall, { listeners }: ManagementParts) {
  const wanted = name('what')
  const known = listeners().some(({ protocol }) => protocol === wanted || (protocol === 'amqp' && wanted === 'amqp091'))
  if (!known) throw failed(`No active listener for protocol ${wanted.slice(0, 40)}`)
  return json({ ...OK, protocol: wanted })
}

export const healthRoutes: readonly ManagementRoute[] = [
  { method: 'GET', path: '/health/checks/alarms', answer: alive },
  { method: 'GET', path: '/health/checks/local-alarms', answer: alive },
  { method: 'GET', path: '/health/checks/node-is-mirror-sync-critical', answer: alive },
  { method: 'GET', path: '/health/checks/node-is-quorum-critical', answer: alive },
  { method: 'GET', path: '/health/checks/port-listener/:what', answer: portListener },
  { method: 'GET', path: '/health/checks/protocol-listener/:what', answer: protocolListener },
  {
    method: 'GET',
    path: '/health/checks/virtual-hosts',
    answer: async (_call, { port }) => {
      await listVhosts(port)
      return json(OK)
    },
  },
  { method: 'GET', path: '/healthchecks/node', answer: alive },
]
