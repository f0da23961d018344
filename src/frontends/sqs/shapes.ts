/** What each of the 23 actions takes and answers (SQS 2012-11-05): names, types, and how the Query protocol flattens them. */
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

const attributes = map(string, { flat: 'Attribute', key: 'Name', value: 'Value' })
const tags = map(string, { flat: 'Tag', key: 'Key', value: 'Value' })
const attributeValue = structure({
  DataType: string,
  StringValue: string,
  BinaryValue: blob,
  StringListValues: list(string, 'StringListValue'),
  BinaryListValues: list(blob, 'BinaryListValue'),
})
const messageAttributes = map(attributeValue, { flat: 'MessageAttribute', key: 'Name', value: 'Value' })
const systemAttributes = map(attributeValue, { flat: 'MessageSystemAttribute', key: 'Name', value: 'Value' })
const names = list(string, 'AttributeName')

const outgoing = {
  MessageBody: string,
  DelaySeconds: integer,
  MessageAttributes: messageAttributes,
  MessageSystemAttributes: systemAttributes,
  MessageDeduplicationId: string,
  MessageGroupId: string,
}
const sent = {
  MessageId: string,
  MD5OfMessageBody: string,
  MD5OfMessageAttributes: string,
  MD5OfMessageSystemAttributes: string,
  SequenceNumber: string,
}
const failed = list(
  structure({ Id: string, SenderFault: boolean, Code: string, Message: string }),
  'BatchResultErrorEntry',
)

function action(input: Readonly<Record<string, Shape>>, output?: Readonly<Record<string, Shape>>): ActionShape {
  return { input: structure(input), output: output === undefined ? undefined : structure(output) }
}

function batch(
  name: string,
  entry: Readonly<Record<string, Shape>>,
  done: Readonly<Record<string, Shape>>,
): ActionShape {
  return action(
    { QueueUrl: string, Entries: list(structure({ Id: string, ...entry }), `${name}BatchRequestEntry`) },
    { Successful: list(structure({ Id: string, ...done }), `${name}BatchResultEntry`), Failed: failed },
  )
}

export const sqsActions = {
  AddPermission: action({
    QueueUrl: string,
    Label: string,
    AWSAccountIds: list(string, 'AWSAccountId'),
    Actions: list(string, 'ActionName'),
  }),
  CancelMessageMoveTask: action({ TaskHandle: string }, { ApproximateNumberOfMessagesMoved: integer }),
  ChangeMessageVisibility: action({ QueueUrl: string, ReceiptHandle: string, VisibilityTimeout: integer }),
  ChangeMessageVisibilityBatch: batch(
    'ChangeMessageVisibility',
    { ReceiptHandle: string, VisibilityTimeout: integer },
    {},
  ),
  CreateQueue: action({ QueueName: string, Attributes: attributes, tags }, { QueueUrl: string }),
  DeleteMessage: action({ QueueUrl: string, ReceiptHandle: string }),
  DeleteMessageBatch: batch('DeleteMessage', { ReceiptHandle: string }, {}),
  DeleteQueue: action({ QueueUrl: string }),
  GetQueueAttributes: action({ QueueUrl: string, AttributeNames: names }, { Attributes: attributes }),
  GetQueueUrl: action({ QueueName: string, QueueOwnerAWSAccountId: string }, { QueueUrl: string }),
  ListDeadLetterSourceQueues: action(
    { QueueUrl: string, NextToken: string, MaxResults: integer },
    { queueUrls: list(string, 'QueueUrl'), NextToken: string },
  ),
  ListMessageMoveTasks: action(
    { SourceArn: string, MaxResults: integer },
    {
      Results: list(
        structure({
          TaskHandle: string,
          Status: string,
          SourceArn: string,
          DestinationArn: string,
          MaxNumberOfMessagesPerSecond: integer,
          ApproximateNumberOfMessagesMoved: integer,
          ApproximateNumberOfMessagesToMove: integer,
          FailureReason: string,
          StartedTimestamp: integer,
        }),
        'ListMessageMoveTasksResultEntry',
      ),
    },
  ),
  ListQueues: action(
    { QueueNamePrefix: string, NextToken: string, MaxResults: integer },
    { QueueUrls: list(string, 'QueueUrl'), NextToken: string },
  ),
  ListQueueTags: action({ QueueUrl: string }, { Tags: tags }),
  PurgeQueue: action({ QueueUrl: string }),
  ReceiveMessage: action(
    {
      QueueUrl: string,
      AttributeNames: names,
      MessageSystemAttributeNames: list(string, 'MessageSystemAttributeName'),
      MessageAttributeNames: list(string, 'MessageAttributeName'),
      MaxNumberOfMessages: integer,
      VisibilityTimeout: integer,
      WaitTimeSeconds: integer,
      ReceiveRequestAttemptId: string,
    },
    {
      Messages: list(
        structure({
          MessageId: string,
          ReceiptHandle: string,
          MD5OfBody: string,
          Body: string,
          Attributes: attributes,
          MD5OfMessageAttributes: string,
          MessageAttributes: messageAttributes,
        }),
        'Message',
      ),
    },
  ),
  RemovePermission: action({ QueueUrl: string, Label: string }),
  SendMessage: action({ QueueUrl: string, ...outgoing }, sent),
  SendMessageBatch: batch('SendMessage', outgoing, sent),
  SetQueueAttributes: action({ QueueUrl: string, Attributes: attributes }),
  StartMessageMoveTask: action(
    { SourceArn: string, DestinationArn: string, MaxNumberOfMessagesPerSecond: integer },
    { TaskHandle: string },
  ),
  TagQueue: action({ QueueUrl: string, Tags: tags }),
  UntagQueue: action({ QueueUrl: string, TagKeys: list(string, 'TagKey') }),
} as const satisfies Record<string, ActionShape>

export type SqsAction = keyof typeof sqsActions
