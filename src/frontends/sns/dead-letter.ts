import { encodeContent } from '../../model/content.ts'
import type { Content } from '../../model/message.ts'
import { headersOf } from './message.ts'

/** What would have been delivered, and in the attributes that SNS uses for it why it was not. */
export function deadLetter(text: string, { messageId, why }: { messageId: string; why: string }): Content {
  return encodeContent(
    text,
    headersOf([
      { name: 'RequestID', type: 'String', value: messageId },
      { name: 'ErrorCode', type: 'String', value: 'ClientError' },
      { name: 'ErrorMessage', type: 'String', value: why.slice(0, 1_000) },
    ]),
  )
}
