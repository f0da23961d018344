/** As `arguments.ts`, for the steps of a transaction. */
import type { Step } from '../../broker/port.ts'
import { fields, list, newMessage, number, settleRequest, text, wrong } from './arguments.ts'
import { publishedMessage, recordStep } from './exchange-arguments.ts'

export function step(value: unknown): Step {
  const it = fields(value, 'a step')
  switch (it['kind']) {
    case 'append':
      text(it['queue'], 'queue')
      newMessage(it['message'])
      break
    case 'publish':
      text(it['exchange'], 'exchange')
      publishedMessage(it['message'])
      break
    case 'settle':
      settleRequest(it)
      break
    case 'record':
      recordStep(it)
      break
    case 'count':
      text(it['key'], 'key')
      number(it['by'], 'by')
      number(it['at'], 'at')
      for (const then of list(it['whenReached'], 'whenReached', step)) {
        if (then.kind === 'count') throw wrong('whenReached', 'steps other than count')
      }
      break
    default:
      throw wrong('a step', 'append, publish, settle, record or count')
  }
  return it as unknown as Step
}
