/** A port whose messages carry the trace they were sent in. Sends take the whole way: `direct` has no place for a span. */
import { addHeaders } from '../model/content.ts'
import type { NewMessage } from '../model/message.ts'
import type { SendFacts, Tracing } from '../runtime/tracing.ts'
import type { Port, SimpleStep, Step } from './port.ts'
import { portWith } from './port-with.ts'

type Headers = Readonly<Record<string, string>>

export function tracedPort(port: Port, tracing: Tracing): Port {
  return portWith(port, {
    direct: undefined,
    append: (queue, messages, options) =>
      tracing.send(factsOf(queue, messages), (headers) => port.append(queue, carrying(messages, headers), options)),
    publish: (exchange, messages, options) =>
      tracing.send(factsOf(exchange, messages), (headers) =>
        port.publish(exchange, carrying(messages, headers), options),
      ),
    deliver: (units, options) => {
      const messages = units.flat()
      const facts = factsOf(
        messages[0]?.queue ?? '',
        messages.map(({ message }) => message),
      )
      return tracing.send(facts, (headers) =>
        port.deliver(
          units.map((unit) => unit.map(({ queue, message }) => ({ queue, message: carry(message, headers) }))),
          options,
        ),
      )
    },
    transact: (steps, options) => {
      const sends = steps.flatMap(sendsOf)
      const [first] = sends
      if (first === undefined) return port.transact(steps, options)
      const facts = factsOf(
        first.to,
        sends.map(({ message }) => message),
      )
      return tracing.send(facts, (headers) =>
        port.transact(
          steps.map((step) => carryStep(step, headers)),
          options,
        ),
      )
    },
  })
}

function factsOf(destination: string, messages: readonly NewMessage[]): SendFacts {
  const bodyBytes = messages.reduce((sum, { content }) => sum + content.body.length, 0)
  return { destination, messages: messages.length, bodyBytes }
}

function carrying<M extends NewMessage>(messages: readonly M[], headers: Headers): M[] {
  return messages.map((message) => carry(message, headers))
}

function carry<M extends NewMessage>(message: M, headers: Headers): M {
  const { content } = message
  return { ...message, content: { ...content, head: addHeaders(content.head, headers) } }
}

function sendsOf(step: Step): { readonly to: string; readonly message: NewMessage }[] {
  switch (step.kind) {
    case 'append':
      return [{ to: step.queue, message: step.message }]
    case 'publish':
      return [{ to: step.exchange, message: step.message }]
    case 'count':
      return step.whenReached.flatMap(sendsOf)
    case 'settle':
    case 'record':
      return []
    default:
      return step satisfies never
  }
}

function carryStep(step: Step, headers: Headers): Step {
  return step.kind === 'count'
    ? { ...step, whenReached: step.whenReached.map((inner) => carrySimple(inner, headers)) }
    : carrySimple(step, headers)
}

function carrySimple(step: SimpleStep, headers: Headers): SimpleStep {
  if (step.kind === 'append') return { ...step, message: carry(step.message, headers) }
  return step.kind === 'publish' ? { ...step, message: carry(step.message, headers) } : step
}
