import { mayUse } from '../access.ts'
import type { Action } from '../context.ts'
import { accessDenied, missingParameter, queueDoesNotExist } from '../errors.ts'
import { isQueueName, queueArn, queueUrl } from '../queue-address.ts'

export const getQueueUrl: Action = async ({ directory }, call) => {
  const name = call.params['QueueName'] as string | undefined
  if (name === undefined || name === '') throw missingParameter('QueueName')
  const owner = call.params['QueueOwnerAWSAccountId'] as string | undefined
  const account = owner === undefined || owner === '' ? call.account : owner
  if (!isQueueName(name) || !/^[0-9]{12}$/.test(account)) throw queueDoesNotExist()
  const address = { region: call.region, account, name }
  const queue = await directory.at(address)
  if (queue === undefined) throw queueDoesNotExist()
  if (!mayUse(call, queue)) throw accessDenied(call.action, queueArn(address))
  return { QueueUrl: queueUrl(address, call.baseUrl, directory.home) }
}
