import { mayUse } from '../access.ts'
import type { Action } from '../context.ts'
import { pageOf } from '../paging.ts'
import { addressOfStoreName, type QueueAddress, queueUrl } from '../queue-address.ts'

/** The queues of the request's region and account whose names SQS can say, whichever protocol made them, by name. */
export const listQueues: Action = async ({ port, directory }, call) => {
  const prefix = (call.params['QueueNamePrefix'] as string | undefined) ?? ''
  const { region, account } = call
  const found = new Map<string, QueueAddress>()
  for (const { queue } of await port.measure()) {
    const address = addressOfStoreName(queue, directory.home)
    if (address?.region !== region || address.account !== account || !address.name.startsWith(prefix)) continue
    if (call.identity !== undefined) {
      const known = await directory.get(queue, address)
      if (known === undefined || !mayUse(call, known)) continue
    }
    found.set(address.name, address)
  }
  const { names, token } = pageOf([...found.keys()].sort(), call.params)
  if (names.length === 0) return {}
  return {
    QueueUrls: names.map((name) => queueUrl(found.get(name) as QueueAddress, call.baseUrl, directory.home)),
    ...(token === undefined ? undefined : { NextToken: token }),
  }
}
