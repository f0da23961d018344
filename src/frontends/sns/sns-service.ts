/** SNS behind the HTTP entry: 42 actions over one port, the certificate that verifies its envelopes, and the courier. */
import type { Port } from '../../broker/port.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Outbound } from '../../runtime/outbound-http.ts'
import type { Random } from '../../runtime/random.ts'
import { AwsError } from '../../wire/aws/error.ts'
import type { AwsAnswer, AwsCall, AwsService, ServedPage } from '../aws/call.ts'
import { QueueDirectory } from '../sqs/queue-directory.ts'
import * as mobile from './actions/mobile.ts'
import { publish, publishBatch } from './actions/publish.ts'
import * as sms from './actions/sms.ts'
import { getSubscriptionAttributes, setSubscriptionAttributes } from './actions/subscription-attributes.ts'
import * as subscriptions from './actions/subscriptions.ts'
import * as extras from './actions/topic-extras.ts'
import * as topics from './actions/topics.ts'
import type { HomeRealm } from './arns.ts'
import type { Action, SnsContext } from './context.ts'
import { Courier } from './delivery/courier.ts'
import { Outbox } from './delivery/outbox.ts'
import { faultError } from './errors.ts'
import { Publisher } from './publisher.ts'
import { type SnsAction, snsActions } from './shapes.ts'
import { Signer } from './signer.ts'
import { Subscriptions } from './subscriptions.ts'
import { Topics } from './topics.ts'

export interface SnsParts {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly home: HomeRealm
  /** How HTTP subscriptions are delivered. Absent: they are switched off. */
  readonly outbound?: Outbound
}

export interface SnsService extends AwsService {
  /** Delivers to what is subscribed beside SQS; without it messages wait. */
  start(): Promise<void>
  /** What is under way and not decided comes again at the next start. */
  stop(): Promise<void>
  /** Resolves once the courier follows every change of subscriptions so far. */
  settled(): Promise<void>
}

const actions: Readonly<Record<SnsAction, Action>> = {
  AddPermission: extras.addPermission,
  CheckIfPhoneNumberIsOptedOut: sms.checkIfPhoneNumberIsOptedOut,
  ConfirmSubscription: subscriptions.confirmSubscription,
  CreatePlatformApplication: mobile.createPlatformApplication,
  CreatePlatformEndpoint: mobile.createPlatformEndpoint,
  CreateSMSSandboxPhoneNumber: sms.createSMSSandboxPhoneNumber,
  CreateTopic: topics.createTopic,
  DeleteEndpoint: mobile.deleteEndpoint,
  DeletePlatformApplication: mobile.deletePlatformApplication,
  DeleteSMSSandboxPhoneNumber: sms.deleteSMSSandboxPhoneNumber,
  DeleteTopic: topics.deleteTopic,
  GetDataProtectionPolicy: extras.getDataProtectionPolicy,
  GetEndpointAttributes: mobile.getEndpointAttributes,
  GetPlatformApplicationAttributes: mobile.getPlatformApplicationAttributes,
  GetSMSAttributes: sms.getSMSAttributes,
  GetSMSSandboxAccountStatus: sms.getSMSSandboxAccountStatus,
  GetSubscriptionAttributes: getSubscriptionAttributes,
  GetTopicAttributes: topics.getTopicAttributes,
  ListEndpointsByPlatformApplication: mobile.listEndpointsByPlatformApplication,
  ListOriginationNumbers: sms.listOriginationNumbers,
  ListPhoneNumbersOptedOut: sms.listPhoneNumbersOptedOut,
  ListPlatformApplications: mobile.listPlatformApplications,
  ListSMSSandboxPhoneNumbers: sms.listSMSSandboxPhoneNumbers,
  ListSubscriptions: subscriptions.listSubscriptions,
  ListSubscriptionsByTopic: subscriptions.listSubscriptionsByTopic,
  ListTagsForResource: extras.listTagsForResource,
  ListTopics: topics.listTopics,
  OptInPhoneNumber: sms.optInPhoneNumber,
  Publish: publish,
  PublishBatch: publishBatch,
  PutDataProtectionPolicy: extras.putDataProtectionPolicy,
  RemovePermission: extras.removePermission,
  SetEndpointAttributes: mobile.setEndpointAttributes,
  SetPlatformApplicationAttributes: mobile.setPlatformApplicationAttributes,
  SetSMSAttributes: sms.setSMSAttributes,
  SetSubscriptionAttributes: setSubscriptionAttributes,
  SetTopicAttributes: topics.setTopicAttributes,
  Subscribe: subscriptions.subscribe,
  TagResource: extras.tagResource,
  Unsubscribe: subscriptions.unsubscribe,
  UntagResource: extras.untagResource,
  VerifySMSSandboxPhoneNumber: sms.verifySMSSandboxPhoneNumber,
}

export function snsService(parts: SnsParts): SnsService {
  const { port, clock, random, log, home, outbound } = parts
  const signer = new Signer({ port, clock, random })
  const topicStore = new Topics({ port, home })
  const subscriptionStore = new Subscriptions({ port, home })
  const outbox = new Outbox(port)
  const queues = new QueueDirectory({ port, clock, home })
  const publisher = new Publisher({ port, clock, random, home, subscriptions: subscriptionStore, signer, queues })
  const courier = new Courier({
    port,
    clock,
    random,
    log,
    home,
    topics: topicStore,
    subscriptions: subscriptionStore,
    signer,
    outbox,
    outbound,
  })
  const context: SnsContext = {
    port,
    clock,
    random,
    home,
    topics: topicStore,
    subscriptions: subscriptionStore,
    publisher,
    queues,
    outbox,
    courier,
    http: outbound !== undefined,
  }

  return {
    name: 'sns',
    version: '2010-03-31',
    namespace: 'http://sns.amazonaws.com/doc/2010-03-31/',
    targetPrefix: 'AmazonSimpleNotificationService',
    errorPrefix: 'com.amazonaws.sns',
    insideFault: { type: 'InternalErrorException', code: 'InternalError' },
    actions: snsActions,
    async answer(call: AwsCall): Promise<AwsAnswer> {
      try {
        return { result: await actions[call.action as SnsAction](context, call) }
      } catch (fault) {
        throw fault instanceof AwsError ? fault : (faultError(fault) ?? fault)
      }
    },
    async page(path: string): Promise<ServedPage | undefined> {
      if (!path.startsWith('/SimpleNotificationService-')) return undefined
      const { certificatePath, certificatePem } = await signer.identity()
      return path === certificatePath ? { contentType: 'application/x-pem-file', text: certificatePem } : undefined
    },
    start: () => courier.start(),
    settled: () => courier.settled(),
    async stop() {
      await courier.stop()
      subscriptionStore.close()
    },
  }
}
