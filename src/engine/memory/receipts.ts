/** A receipt is `number.token` in decimal: which message, and which delivery of it. */
import type { Receipt } from '../../model/message.ts'

export function formatReceipt(number: number, token: number): Receipt {
  return `${number}.${token}` as Receipt
}

/** What is no receipt names message 0, which never exists. */
export function parseReceipt(receipt: Receipt): { readonly number: number; readonly token: number } {
  const parts = /^(\d{1,16})\.(\d{1,16})$/.exec(receipt)
  return parts === null ? { number: 0, token: 0 } : { number: Number(parts[1]), token: Number(parts[2]) }
}
