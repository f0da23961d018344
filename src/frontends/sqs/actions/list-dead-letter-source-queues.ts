import { checkAccess } from '../access.ts'
import type { Action } from '../context.ts'
import { pageOf } from '../paging.ts'
import { addressOfStoreName, type QueueAddress, queueUrl } from '../queue-address.ts'

export const listDeadLetterSourceQueues: Action = async ({ port, directory }, call) => {
  const queue = await directory.named(call)
  checkAccess(call, queue)
  const sources = new Map<string, QueueAddress>()
  for (const { queue: source, policy } of await port.measure()) {
    if (policy.onDeath.kind !== 'deadLetter' || policy.onDeath.queue !== queue.store) continue
    const address = addressOfStoreName(source, directory.home)
    if (address !== undefined) sources.set(address.name, address)
  }
  const { names, token } = pageOf([...sources.keys()].sort(), call.params)
  return {
    queueUrls: names.map((name) => queueUrl(sources.get(name) as QueueAddress, call.baseUrl, directory.home)),
    ...(token === undefined ? undefined : { NextToken: token }),
  }
}
