/** What each of the 42 actions takes and answers (SNS 2010-03-31): names and types. Nothing is flattened. */
import {
  type ActionShape,
  blob,
  boolean,
  integer,
  list,
  map,
  type Shape,
  string,
  structure,
} from '../../wire/aws/shape.ts'

const attributes = map(string)
const tags = list(structure({ Key: string, Value: string }))
const messageAttributes = map(structure({ DataType: string, StringValue: string, BinaryValue: blob }), {
  key: 'Name',
  value: 'Value',
})
const message = {
  Message: string,
  Subject: string,
  MessageStructure: string,
  MessageAttributes: messageAttributes,
  MessageDeduplicationId: string,
  MessageGroupId: string,
}
const published = { MessageId: string, SequenceNumber: string }
const subscriptions = list(
  structure({ SubscriptionArn: string, Owner: string, Protocol: string, Endpoint: string, TopicArn: string }),
)

function action(input: Readonly<Record<string, Shape>>, output?: Readonly<Record<string, Shape>>): ActionShape {
  return { input: structure(input), output: output === undefined ? undefined : structure(output) }
}

export const snsActions = {
  AddPermission: action({
    TopicArn: string,
    Label: string,
    AWSAccountId: list(string),
    ActionName: list(string),
  }),
  CheckIfPhoneNumberIsOptedOut: action({ phoneNumber: string }, { isOptedOut: boolean }),
  ConfirmSubscription: action(
    { TopicArn: string, Token: string, AuthenticateOnUnsubscribe: string },
    { SubscriptionArn: string },
  ),
  CreatePlatformApplication: action(
    { Name: string, Platform: string, Attributes: attributes },
    { PlatformApplicationArn: string },
  ),
  CreatePlatformEndpoint: action(
    { PlatformApplicationArn: string, Token: string, CustomUserData: string, Attributes: attributes },
    { EndpointArn: string },
  ),
  CreateSMSSandboxPhoneNumber: action({ PhoneNumber: string, LanguageCode: string }, {}),
  CreateTopic: action(
    { Name: string, Attributes: attributes, Tags: tags, DataProtectionPolicy: string },
    { TopicArn: string },
  ),
  DeleteEndpoint: action({ EndpointArn: string }),
  DeletePlatformApplication: action({ PlatformApplicationArn: string }),
  DeleteSMSSandboxPhoneNumber: action({ PhoneNumber: string }, {}),
  DeleteTopic: action({ TopicArn: string }),
  GetDataProtectionPolicy: action({ ResourceArn: string }, { DataProtectionPolicy: string }),
  GetEndpointAttributes: action({ EndpointArn: string }, { Attributes: attributes }),
  GetPlatformApplicationAttributes: action({ PlatformApplicationArn: string }, { Attributes: attributes }),
  GetSMSAttributes: action({ attributes: list(string) }, { attributes }),
  GetSMSSandboxAccountStatus: action({}, { IsInSandbox: boolean }),
  GetSubscriptionAttributes: action({ SubscriptionArn: string }, { Attributes: attributes }),
  GetTopicAttributes: action({ TopicArn: string }, { Attributes: attributes }),
  ListEndpointsByPlatformApplication: action(
    { PlatformApplicationArn: string, NextToken: string },
    { Endpoints: list(structure({ EndpointArn: string, Attributes: attributes })), NextToken: string },
  ),
  ListOriginationNumbers: action(
    { NextToken: string, MaxResults: integer },
    { NextToken: string, PhoneNumbers: list(structure({ PhoneNumber: string })) },
  ),
  ListPhoneNumbersOptedOut: action({ nextToken: string }, { phoneNumbers: list(string), nextToken: string }),
  ListPlatformApplications: action(
    { NextToken: string },
    {
      PlatformApplications: list(structure({ PlatformApplicationArn: string, Attributes: attributes })),
      NextToken: string,
    },
  ),
  ListSMSSandboxPhoneNumbers: action(
    { NextToken: string, MaxResults: integer },
    { PhoneNumbers: list(structure({ PhoneNumber: string, Status: string })), NextToken: string },
  ),
  ListSubscriptions: action({ NextToken: string }, { Subscriptions: subscriptions, NextToken: string }),
  ListSubscriptionsByTopic: action(
    { TopicArn: string, NextToken: string },
    { Subscriptions: subscriptions, NextToken: string },
  ),
  ListTagsForResource: action({ ResourceArn: string }, { Tags: tags }),
  ListTopics: action({ NextToken: string }, { Topics: list(structure({ TopicArn: string })), NextToken: string }),
  OptInPhoneNumber: action({ phoneNumber: string }, {}),
  Publish: action({ TopicArn: string, TargetArn: string, PhoneNumber: string, ...message }, published),
  PublishBatch: action(
    { TopicArn: string, PublishBatchRequestEntries: list(structure({ Id: string, ...message })) },
    {
      Successful: list(structure({ Id: string, ...published })),
      Failed: list(structure({ Id: string, Code: string, Message: string, SenderFault: boolean })),
    },
  ),
  PutDataProtectionPolicy: action({ ResourceArn: string, DataProtectionPolicy: string }),
  RemovePermission: action({ TopicArn: string, Label: string }),
  SetEndpointAttributes: action({ EndpointArn: string, Attributes: attributes }),
  SetPlatformApplicationAttributes: action({ PlatformApplicationArn: string, Attributes: attributes }),
  SetSMSAttributes: action({ attributes }, {}),
  SetSubscriptionAttributes: action({ SubscriptionArn: string, AttributeName: string, AttributeValue: string }),
  SetTopicAttributes: action({ TopicArn: string, AttributeName: string, AttributeValue: string }),
  Subscribe: action(
    {
      TopicArn: string,
      Protocol: string,
      Endpoint: string,
      Attributes: attributes,
      ReturnSubscriptionArn: boolean,
    },
    { SubscriptionArn: string },
  ),
  TagResource: action({ ResourceArn: string, Tags: tags }, {}),
  // Token: ours, in the links of envelopes, so that who holds one may follow it without a key.
  Unsubscribe: action({ SubscriptionArn: string, Token: string }),
  UntagResource: action({ ResourceArn: string, TagKeys: list(string) }, {}),
  VerifySMSSandboxPhoneNumber: action({ PhoneNumber: string, OneTimePassword: string }, {}),
} as const satisfies Record<string, ActionShape>

export type SnsAction = keyof typeof snsActions
