/**
 * The outbox: where messages end up that SNS would hand to others (e-mail, SMS, Lambda, Firehose, mobile platforms). Nothing is sent to
 * anybody; each message lies in the queue `spindle.outbox`, says so itself, and can be browsed like any other.
 */
import type { Port } from '../../../broker/port.ts'
import { encodeContent } from '../../../model/content.ts'
import type { NewMessage } from '../../../model/message.ts'

export const OUTBOX = 'spindle.outbox'
export const OUTBOX_TYPE = 'spindle.outbox.message'
/** The oldest go first beyond these. */
const OUTBOX_LENGTH_MAX = 10_000
const OUTBOX_TTL_MS = 14 * 86_400_000

export interface OutboxMessage {
  /** `email`, `email-json`, `sms`, `lambda`, `firehose`, `application`. */
  readonly protocol: string
  /** Address, phone number or ARN. */
  readonly endpoint: string
  readonly topicArn: string | undefined
  readonly subscriptionArn: string | undefined
  readonly messageId: string
  readonly type: string
  readonly subject: string | undefined
  readonly text: string
}

export class Outbox {
  readonly #port: Port
  #declared: Promise<unknown> | undefined

  constructor(port: Port) {
    this.#port = port
  }

  /** Once this resolves, `spindle.outbox` is there. */
  declared(): Promise<unknown> {
    this.#declared ??= this.#port
      .declareQueue(OUTBOX, {
        attemptsMax: null,
        ttlMs: OUTBOX_TTL_MS,
        lengthMax: OUTBOX_LENGTH_MAX,
        overflow: 'dropHead',
        onDeath: { kind: 'discard' },
      })
      .catch((fault: unknown) => {
        this.#declared = undefined
        throw fault
      })
    return this.#declared
  }

  async put(message: OutboxMessage): Promise<void> {
    await this.declared()
    await this.#port.transact([{ kind: 'append', queue: OUTBOX, message: outboxEntry(message) }])
  }
}

export function outboxEntry({ text, ...about }: OutboxMessage): NewMessage {
  const note = 'Kept in the outbox: Spindle does not send this to anybody.'
  return { content: encodeContent({ delivered: false, note, ...about, message: text }, { type: OUTBOX_TYPE }) }
}
