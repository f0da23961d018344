import type { Session } from './session.ts'

/** Into the audit log, of what ends something; the answer does not wait for it. Clients declare at each start, so that is not told. */
export function audited({ hub, identity, name }: Session, act: string): void {
  const [from = name] = name.split(' -> ')
  void hub.parts.audit?.record({ by: identity.name, from, via: 'amqp', act, outcome: 'done' })
}
