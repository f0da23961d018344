/**
 * Receipts as users of a server get them: `receipt~id~seal~queue`, with the seal of SQS's receipt handles under a key of
 * their own. The queue is told so that a settle, which names none, can be judged by it; the seal covers it.
 */
import type { MessageId, Receipt } from '../../model/message.ts'
import { ReceiptHandles } from '../sqs/receipt-handle.ts'

/** The seal does not need it. */
const NO_ID = '-' as MessageId

export class SealedReceipts {
  readonly #handles: ReceiptHandles

  constructor(key: Uint8Array) {
    this.#handles = new ReceiptHandles(key)
  }

  seal(queue: string, receipt: Receipt): Receipt {
    return `${this.#handles.seal(queue, { receipt, id: NO_ID })}~${encoded(queue)}` as Receipt
  }

  /** undefined: not one of this store. */
  open(sealed: Receipt): { readonly receipt: Receipt; readonly queue: string } | undefined {
    const end = sealed.lastIndexOf('~')
    if (end < 0) return undefined
    const queue = decoded(sealed.slice(end + 1))
    const opened = queue === undefined ? undefined : this.#handles.open(queue, sealed.slice(0, end))
    return queue === undefined || opened === undefined ? undefined : { receipt: opened.receipt, queue }
  }
}

function encoded(queue: string): string {
  return Buffer.from(queue, 'utf8').toString('base64url')
}

function decoded(text: string): string | undefined {
  const queue = Buffer.from(text, 'base64url').toString('utf8')
  // One writing of each name alone, so that a sealed receipt has one, too.
  return encoded(queue) === text ? queue : undefined
}
