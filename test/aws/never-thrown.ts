/** Exceptions that the SDK's documentation names and that are never thrown here. The pages of compatibility list the same. */
import type { Never } from './documented-errors.ts'

export const neverOfSqs: Readonly<Record<string, Never>> = {
  InvalidAddress: { because: 'every host, port and scheme is taken; a queue that is not there is `QueueDoesNotExist`' },
  InvalidIdFormat: { because: 'the old name of `ReceiptHandleIsInvalid`' },
  InvalidSecurity: { because: 'a request that is not signed, or not well, gets the error of SigV4 itself' },
  KmsAccessDenied: { because: 'nothing is encrypted by keys' },
  KmsDisabled: { because: 'as `KmsAccessDenied`' },
  KmsInvalidKeyUsage: { because: 'as `KmsAccessDenied`' },
  KmsInvalidState: { because: 'as `KmsAccessDenied`' },
  KmsNotFound: { because: 'as `KmsAccessDenied`' },
  KmsOptInRequired: { because: 'as `KmsAccessDenied`' },
  KmsThrottled: { because: 'as `KmsAccessDenied`' },
  OverLimit: {
    because: 'a policy that is too large is `InvalidAttributeValue`',
    except: ['AddPermission', 'ReceiveMessage'],
  },
  UnsupportedOperation: {
    because:
      'everything is supported but lists as attribute values, a second move task of a queue, and cancelling what is over',
    except: ['SendMessage', 'StartMessageMoveTask', 'CancelMessageMoveTask'],
  },
}

export const neverOfSns: Readonly<Record<string, Never>> = {
  ConcurrentAccessException: { because: 'changes of one topic wait for each other' },
  FilterPolicyLimitExceededException: { because: 'there is no limit on the number of filter policies' },
  InvalidSecurityException: { because: 'a request that is not signed, or not well, gets the error of SigV4 itself' },
  InvalidStateException: { because: 'every topic can be deleted' },
  KMSAccessDeniedException: { because: 'nothing is encrypted by keys' },
  KMSDisabledException: { because: 'as `KMSAccessDeniedException`' },
  KMSInvalidStateException: { because: 'as `KMSAccessDeniedException`' },
  KMSNotFoundException: { because: 'as `KMSAccessDeniedException`' },
  KMSOptInRequired: { because: 'as `KMSAccessDeniedException`' },
  KMSThrottlingException: { because: 'as `KMSAccessDeniedException`' },
  ReplayLimitExceededException: { because: 'nothing is replayed' },
  StaleTagException: { because: 'as `ConcurrentAccessException`' },
  SubscriptionLimitExceededException: { because: 'there is no limit on the number of subscriptions' },
  TagPolicyException: { because: 'there are no organizations with rules for tags' },
  TopicLimitExceededException: { because: 'there is no limit on the number of topics' },
}

/** Of exceptions that other actions do throw. */
export const neverOfSnsActions: Readonly<Record<string, string>> = {
  'ConfirmSubscription AuthorizationErrorException': 'the token is the key',
  'DeleteSMSSandboxPhoneNumber UserErrorException': 'a number may go at any time',
  'DeleteTopic NotFoundException': 'a topic that is gone is gone, as at AWS',
  'GetSMSAttributes InvalidParameterException': 'names that are not known are left out',
  'GetSMSSandboxAccountStatus InternalErrorException': 'nothing is asked of the store',
  'GetSMSSandboxAccountStatus ThrottledException': 'nothing is asked of the store',
  'ListOriginationNumbers InternalErrorException': 'nothing is asked of the store',
  'ListOriginationNumbers ThrottledException': 'nothing is asked of the store',
  'ListSMSSandboxPhoneNumbers ResourceNotFoundException': 'an empty sandbox is an empty list',
  'ListSubscriptions AuthorizationErrorException': 'left out is what the caller may not see',
  'ListTopics AuthorizationErrorException': 'left out is what the caller may not see',
  'PublishBatch EndpointDisabledException': 'a batch goes to a topic',
  'PublishBatch InvalidParameterValueException': 'told of the entry',
  'PublishBatch PlatformApplicationDisabledException': 'a batch goes to a topic',
  'PublishBatch ValidationException': 'told as InvalidParameterException, or of the entry',
  'Publish ValidationException': 'told as InvalidParameterException',
  'UntagResource TagLimitExceededException': 'fewer tags never are too many',
  'Unsubscribe NotFoundException': 'a subscription that is gone is gone, as at AWS',
}
