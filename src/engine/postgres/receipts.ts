/**
 * A receipt is `qid.number.token` in decimal: where the message was, which one it is, and which delivery of it. Its queue is named so
 * that the right lock can be taken before anything is read.
 */
import type { Receipt } from '../../model/message.ts'

export interface ReceiptParts {
  readonly qid: number
  readonly number: number
  readonly token: number
}

const NOTHING: ReceiptParts = { qid: 0, number: 0, token: 0 }
const QID_MAX = 2 ** 31 - 1

export function formatReceipt({ qid, number, token }: ReceiptParts): Receipt {
  return `${qid}.${number}.${token}` as Receipt
}

/** What is no receipt names message 0, which never exists. */
export function parseReceipt(receipt: Receipt): ReceiptParts {
  const parts = /^(\d{1,10})\.(\d{1,16})\.(\d{1,16})$/.exec(receipt)
  if (parts === null) return NOTHING
  const [qid, number, token] = [Number(parts[1]), Number(parts[2]), Number(parts[3])]
  const fits = qid <= QID_MAX && Number.isSafeInteger(number) && Number.isSafeInteger(token)
  return fits ? { qid, number, token } : NOTHING
}
