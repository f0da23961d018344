/** Acts of SQS and SNS that the audit log keeps: what changes queues, topics and subscriptions, not what moves messages. */
import type { Audit, AuditAct } from '../../broker/audit.ts'
import type { AwsAnswer, AwsCall, AwsService } from './call.ts'

const MESSAGES_AND_READS = /^(?:Get|List|Check|Send|Publish|Receive|DeleteMessage|ChangeMessageVisibility)/
/** The member that says what an action is about, most telling first. */
const SUBJECTS = ['QueueName', 'QueueUrl', 'Name', 'TopicArn', 'SubscriptionArn', 'ResourceArn', 'TaskHandle']

/** The same service, each act of which is recorded once it is done. */
export function audited(service: AwsService, audit: Audit): AwsService {
  return {
    ...service,
    async answer(call): Promise<AwsAnswer> {
      if (MESSAGES_AND_READS.test(call.action)) return service.answer(call)
      try {
        const answered = await service.answer(call)
        await audit.record(actOf(call, 'done'))
        return answered
      } catch (fault) {
        await audit.record(actOf(call, 'failed'))
        throw fault
      }
    },
  }
}

function actOf(call: AwsCall, outcome: AuditAct['outcome']): AuditAct {
  const params = call.params as Readonly<Record<string, unknown>>
  const subject = SUBJECTS.map((name) => params[name]).find((value) => typeof value === 'string')
  const act = subject === undefined ? call.action : `${call.action} ${subject}`
  return { by: call.identity?.name ?? null, from: call.client.address, via: call.service, act, outcome }
}
